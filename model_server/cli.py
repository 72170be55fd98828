"""Command line of the model server. Prints one line, when it can answer."""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from model_server.errors import ModelServerError

if TYPE_CHECKING:
    from aiohttp import web

    from model_server.app import Served

DONE, FAILED, MISTAKE = 0, 1, 2

SHUTDOWN_SECONDS = 1.5
"""How long running requests may take after the end was asked for."""
DEFAULT_SLOTS = 8
DEFAULT_CANDIDATES = 5


def main(arguments: Sequence[str]) -> int:
    """Runs `serve`; returns its exit code."""
    options = build_parser().parse_args(arguments)
    from model_server.checkpoint_format import CheckpointError

    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr
    )
    try:
        return asyncio.run(_serve(options))
    except (ModelServerError, CheckpointError) as error:
        print(f"botconvo: {worded(str(error))}", file=sys.stderr)
        return MISTAKE
    except KeyboardInterrupt:
        return DONE


def worded(text: str) -> str:
    """The text with `botconvo` as the user calls it: scripts/run says how that is."""
    return text.replace("botconvo ", os.environ.get("BOTCONVO_COMMAND", "botconvo") + " ")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="botconvo", description="Serve one friend's checkpoint over HTTP."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="serve one checkpoint")
    serve.add_argument("checkpoint", type=Path, metavar="FOLDER")
    serve.add_argument("--host", default="127.0.0.1", help="default: %(default)s, this machine")
    serve.add_argument("--port", type=int, default=8001, help="0 takes any (default: %(default)s)")
    serve.add_argument("--engine", choices=["llama", "tensorflow", "echo"], default="llama")
    serve.add_argument("--threads", type=int, default=1, help="default: %(default)s")
    serve.add_argument("--slots", type=int, default=DEFAULT_SLOTS, help="generations at once")
    serve.add_argument(
        "--candidates", type=int, default=DEFAULT_CANDIDATES, help="drawn where none are asked for"
    )
    serve.add_argument("--temperature", type=float, default=0.75)
    serve.add_argument("--top-k", type=int, default=40)
    serve.add_argument("--top-p", type=float, default=0.92)
    serve.add_argument("--max-tokens", type=int, default=60)
    serve.add_argument("--repetition-penalty", type=float, default=1.0)
    serve.add_argument("--banned-word", action="append", default=[], metavar="WORD")
    serve.add_argument(
        "--prefer",
        choices=["likeliest", "longest"],
        default="likeliest",
        help="among equally good candidates (the original took the longest)",
    )
    serve.add_argument(
        "--end-with-stdin",
        action="store_true",
        help="stop when standard input closes, as it does when a parent dies",
    )
    return parser


def _served(options: argparse.Namespace) -> Served:
    from model_server.app import Served
    from model_server.candidates import Policy
    from model_server.checkpoint_format import Codec, Manifest, Sizes
    from model_server.engines import Parameters

    folder: Path = options.checkpoint
    if not folder.is_dir():
        raise ModelServerError(
            f"{folder}: there is no such checkpoint folder; train one with: botconvo train FRIEND"
        )
    Sizes.read(folder)
    manifest = Manifest.read(folder)
    return Served(
        model=manifest.friend or folder.name,
        codec=Codec.read(folder),
        manifest=manifest,
        defaults=Parameters(
            n=options.candidates,
            max_tokens=options.max_tokens,
            temperature=options.temperature,
            top_k=options.top_k,
            top_p=options.top_p,
            repetition_penalty=options.repetition_penalty,
        ),
        policy=Policy(tuple(options.banned_word), preference=options.prefer),
    )


async def _serve(options: argparse.Namespace) -> int:
    from aiohttp import web

    from model_server.app import SERVICE, create_app
    from model_server.engines import load_engine

    folder: Path = options.checkpoint
    served = _served(options)
    app = create_app(
        served,
        lambda: load_engine(options.engine, folder, slots=options.slots, threads=options.threads),
    )
    ended = _ending(options.end_with_stdin)
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS, handler_cancellation=True
    )
    await runner.setup()
    try:
        url = await _listen(runner, options.host, options.port)
        service = app[SERVICE]
        await service.ready.wait()
        if service.failure is not None:
            raise service.failure
        ready = {"url": url, "pid": os.getpid(), "model": served.model}
        print(json.dumps({"ready": ready}), flush=True)
        await ended.wait()
    finally:
        _exit_at_last()
        await runner.cleanup()
    return DONE


async def _listen(runner: web.AppRunner, host: str, port: int) -> str:
    from aiohttp import web

    site = web.TCPSite(runner, host, port)
    try:
        await site.start()
    except OSError as error:
        raise ModelServerError(
            f"Port {port} on {host} cannot be used ({error.strerror or error}); "
            "is another program using it? Choose another with --port."
        ) from error
    address = runner.addresses[0]
    shown = f"[{address[0]}]" if ":" in str(address[0]) else address[0]
    return f"http://{shown}:{address[1]}"


def _ending(with_stdin: bool) -> asyncio.Event:
    """An event that is set by SIGTERM, SIGINT or, if asked for, the end of standard input."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, ended.set)
        except NotImplementedError:  # Windows: Ctrl-C arrives as KeyboardInterrupt
            break
    if with_stdin:

        def watch() -> None:
            # Raw reads: a daemon thread that holds the lock of sys.stdin would make the
            # interpreter abort at its end.
            while os.read(0, 4096):
                pass
            _exit_at_last()
            loop.call_soon_threadsafe(ended.set)

        threading.Thread(target=watch, daemon=True).start()
    return ended


def _exit_at_last() -> None:
    """Ends the process even if a generation or a load never returns: faulthandler's watchdog
    needs no lock of the interpreter, and leaves in the log where it hung."""
    faulthandler.dump_traceback_later(SHUTDOWN_SECONDS + 0.3, exit=True)

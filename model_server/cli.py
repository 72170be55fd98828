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
from model_server.logs import log_as_json

if TYPE_CHECKING:
    from aiohttp import web

    from model_server.service import Served

log = logging.getLogger(__name__)

DONE, FAILED, MISTAKE = 0, 1, 2

SHUTDOWN_SECONDS = 1.5
"""How long requests that are cancelled may take to end."""
GRACE_SECONDS = 10.0
KEY_VARIABLE = "BOTCONVO_SERVER_KEY"
PRIVATE_PLACES = ("/run/secrets/", os.environ.get("CREDENTIALS_DIRECTORY") or "/run/secrets/")
"""Where containers and systemd put secrets, with modes of their own."""
DEFAULT_SLOTS = 8
DEFAULT_CANDIDATES = 5


def main(arguments: Sequence[str]) -> int:
    """Runs `serve`; returns its exit code."""
    options = build_parser().parse_args(arguments)
    from model_server.checkpoint_format import CheckpointError

    log_as_json()
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
    serve.add_argument(
        "--engine", choices=["auto", "llama", "tensorflow", "echo"], default="auto",
        help="auto: llama where the checkpoint has a GGUF file (default: %(default)s)",
    )  # fmt: skip
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
    serve.add_argument("--no-repeat-ngram", type=int, default=0, metavar="TOKENS",
                       help="no sequence of so many tokens twice; 0 is off")  # fmt: skip
    serve.add_argument("--banned-word", action="append", default=[], metavar="WORD")
    serve.add_argument("--allow-private-data", action="store_true",
                       help="let lines with addresses, phone numbers and the like win")  # fmt: skip
    serve.add_argument("--allow-quotes", action="store_true",
                       help="let lines that stand in the training text win")  # fmt: skip
    serve.add_argument("--key-file", type=Path, metavar="FILE",
                       help="who sends this key is answered; or: $BOTCONVO_SERVER_KEY")  # fmt: skip
    serve.add_argument("--allow-host", action="append", default=[], metavar="NAME",
                       help="a name, beside localhost, that this machine is called by")  # fmt: skip
    serve.add_argument("--log-prompts", action="store_true", help="what is said, too")
    serve.add_argument("--grace", type=float, default=GRACE_SECONDS, metavar="SECONDS",
                       help="for running requests when ended (default: %(default)s)")  # fmt: skip
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
    from model_server.candidates import Policy
    from model_server.checkpoint_format import (
        HPARAMS_FILE,
        Codec,
        Manifest,
        Sizes,
        read_line_digests,
    )
    from model_server.engines import Parameters
    from model_server.service import Served

    folder: Path = options.checkpoint
    if not folder.is_dir():
        raise ModelServerError(
            f"{folder}: there is no such checkpoint folder; train one with: botconvo train FRIEND"
        )
    Sizes.read(folder)
    manifest = Manifest.read(folder)
    policy = Policy(
        tuple(options.banned_word),
        preference=options.prefer,
        guards_private_data=not options.allow_private_data,
        training_lines=frozenset() if options.allow_quotes else read_line_digests(folder),
    )
    defaults = Parameters(
        n=options.candidates,
        max_tokens=options.max_tokens,
        temperature=options.temperature,
        top_k=options.top_k,
        top_p=options.top_p,
        repetition_penalty=options.repetition_penalty,
        no_repeat_ngram=options.no_repeat_ngram,
    )
    created = int((folder / HPARAMS_FILE).stat().st_mtime)
    model = manifest.friend or folder.name
    return Served(model, Codec.read(folder), manifest, defaults, policy, created)


def _key(options: argparse.Namespace) -> str | None:
    """The key that clients must send, from a file or the environment; None for no key."""
    if options.key_file is None:
        return os.environ.get(KEY_VARIABLE, "").strip() or None
    path: Path = options.key_file
    try:
        is_open = os.name == "posix" and path.stat().st_mode & 0o077
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelServerError(f"{path} cannot be read: {error}") from error
    if is_open and not str(path).startswith(PRIVATE_PLACES):
        raise ModelServerError(f"{path} may be read by others; mend that with: chmod 600 {path}")
    if not key:
        raise ModelServerError(f"{path} is empty; write the key into it.")
    return key


async def _serve(options: argparse.Namespace) -> int:
    from aiohttp import web

    from model_server.app import SERVICE, create_app
    from model_server.engines import best_engine, load_engine

    folder: Path = options.checkpoint
    served = _served(options)
    key = _key(options)
    if options.host not in ("127.0.0.1", "::1", "localhost") and key is None:
        log.warning("Everybody who reaches %s may ask this server; see --key-file.", options.host)
    engine, why = options.engine, "asked for"
    if engine == "auto":
        engine, why = best_engine(folder)
    app = create_app(
        served,
        lambda: load_engine(engine, folder, slots=options.slots, threads=options.threads),
        key=key, allowed_hosts=[name.casefold() for name in options.allow_host],
        logs_prompts=options.log_prompts,
    )  # fmt: skip
    ending = Ending(options.end_with_stdin)
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS, handler_cancellation=True
    )
    await runner.setup()
    try:
        site, url = await _listen(runner, options.host, options.port)
        service = app[SERVICE]
        await service.ready.wait()
        if service.failure is not None:
            raise service.failure
        ready = {"url": url, "pid": os.getpid(), "model": served.model, "engine": engine}
        print(json.dumps({"ready": ready}), flush=True)
        log.info("ready", extra={"fields": {**ready, "engine_because": why}})
        await ending.event.wait()
        await site.stop()
        await service.end(0 if ending.parent_is_gone else options.grace)
    finally:
        _exit_at_last()
        await runner.cleanup()
    return DONE


async def _listen(runner: web.AppRunner, host: str, port: int) -> tuple[web.TCPSite, str]:
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
    return site, f"http://{shown}:{address[1]}"


class Ending:
    """Set by SIGTERM, SIGINT or, if asked for, the end of standard input."""

    def __init__(self, with_stdin: bool) -> None:
        self.event = asyncio.Event()
        self.parent_is_gone = False
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            try:
                loop.add_signal_handler(number, self.event.set)
            except NotImplementedError:  # Windows: Ctrl-C arrives as KeyboardInterrupt
                break
        if with_stdin:
            threading.Thread(target=self._watch, args=(loop,), daemon=True).start()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        # Raw reads: a daemon thread that holds the lock of sys.stdin would make the
        # interpreter abort at its end.
        while os.read(0, 4096):
            pass
        self.parent_is_gone = True
        _exit_at_last()
        loop.call_soon_threadsafe(self.event.set)


def _exit_at_last() -> None:
    """Ends the process even if a generation or a load never returns: faulthandler's watchdog
    needs no lock of the interpreter, and leaves in the log where it hung."""
    faulthandler.dump_traceback_later(SHUTDOWN_SECONDS + 0.3, exit=True)

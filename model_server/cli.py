"""Command line of the model server. Prints one line, when it can answer."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sys
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_server.errors import ModelServerError
from model_server.logs import log_as_json
from model_server.options import build_parser, check

if TYPE_CHECKING:
    import socket

    from aiohttp import web

    from model_server.engines import EngineName
    from model_server.service import Served, Service

log = logging.getLogger(__name__)

DONE, FAILED, MISTAKE = 0, 1, 2

SHUTDOWN_SECONDS = 2.0
"""How long requests that are cancelled may take to end; a generation that never returns takes no
longer."""
KEY_VARIABLE = "BOTCONVO_SERVER_KEY"
PRIVATE_PLACES = ("/run/secrets/", os.environ.get("CREDENTIALS_DIRECTORY") or "/run/secrets/")
"""Where containers and systemd put secrets, with modes of their own."""


def main(arguments: Sequence[str]) -> int:
    """Runs `serve`. Returns the exit code of a server that could not begin; one that has begun ends
    with its process."""
    options = build_parser().parse_args(arguments)
    from model_server.checkpoint_format import CheckpointError
    from model_server.ending import leave

    log_as_json()
    try:
        check(options)
        prepared = _prepared(options)
    except (ModelServerError, CheckpointError) as error:
        return _told(error, MISTAKE)
    except OSError as error:  # a folder that may not be looked at, a name that none can have
        return _told(ModelServerError(f"{error.filename}: {error.strerror}."), MISTAKE)
    except KeyboardInterrupt:
        return DONE
    return leave(_run(prepared))


def _run(prepared: Prepared) -> int:
    """Serves until the end; its exit code."""
    from model_server.checkpoint_format import CheckpointError

    try:
        asyncio.run(_serve(prepared))
    except (ModelServerError, CheckpointError) as error:
        return _told(error, MISTAKE)
    except KeyboardInterrupt:  # Windows; elsewhere the signal is handled
        return DONE
    except Exception as error:  # the outermost
        log.exception("the server failed")
        return _told(error, FAILED)
    return DONE


def _told(error: Exception, code: int) -> int:
    text = " ".join(str(error).split()) or repr(error)
    what = "" if code == MISTAKE else f"{type(error).__name__}: "
    print(f"botconvo: {what}{worded(text)}", file=sys.stderr)
    return code


def worded(text: str) -> str:
    """The text with `botconvo` as the user calls it: scripts/run says how that is."""
    return text.replace("botconvo ", os.environ.get("BOTCONVO_COMMAND", "botconvo") + " ")


def _served(options: argparse.Namespace) -> Served:
    from model_server.candidates import Policy
    from model_server.checkpoint_format import (
        HPARAMS_FILE,
        Codec,
        Manifest,
        Sizes,
        read_line_digests,
        read_word_digests,
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
        training_words=read_word_digests(folder),
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


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that is known before an engine is loaded; the port is taken already."""

    options: argparse.Namespace
    served: Served
    key: str | None
    engine: EngineName
    engine_because: str
    sockets: list[socket.socket]


def _prepared(options: argparse.Namespace) -> Prepared:
    """Raises ModelServerError, CheckpointError, OSError."""
    from model_server.engines import best_engine
    from model_server.listening import listen

    served, key = _served(options), _key(options)
    engine, why = options.engine, "asked for"
    if engine == "auto":
        engine, why = best_engine(options.checkpoint)
    sockets = listen(options.host, options.port)
    if options.host not in ("127.0.0.1", "::1", "localhost") and key is None:
        log.warning("Everybody who reaches %s may ask this server; see --key-file.", options.host)
    return Prepared(options, served, key, engine, why, sockets)


def _application(prepared: Prepared) -> web.Application:
    from model_server.app import create_app
    from model_server.engines import load_engine

    options = prepared.options
    return create_app(
        prepared.served,
        lambda: load_engine(
            prepared.engine, options.checkpoint, slots=options.slots, threads=options.threads
        ),
        key=prepared.key, allowed_hosts=[name.casefold() for name in options.allow_host],
        logs_prompts=options.log_prompts,
    )  # fmt: skip


async def _serve(prepared: Prepared) -> None:
    """Raises ModelServerError, or whatever else keeps the engine from loading."""
    from aiohttp import web

    from model_server.app import SERVICE
    from model_server.ending import Ending

    ending = Ending(prepared.options.end_with_stdin)
    app = _application(prepared)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    service = app[SERVICE]
    try:
        for taken in prepared.sockets:
            await web.SockSite(runner, taken).start()
        await _first_of(service.ready.wait(), ending.event.wait())
        if service.failure is not None:
            raise service.failure
        if service.ready.is_set():
            _tell_ready(prepared)
        await ending.event.wait()
    finally:
        await _end(runner, service, 0 if ending.parent_is_gone else prepared.options.grace)


async def _first_of(*waits: Coroutine[Any, Any, Any]) -> None:
    tasks = [asyncio.create_task(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


def _tell_ready(prepared: Prepared) -> None:
    from model_server.listening import url_of

    ready = {
        "url": url_of(prepared.sockets), "pid": os.getpid(), "model": prepared.served.model,
        "engine": prepared.engine,
    }  # fmt: skip
    print(json.dumps({"ready": ready}), flush=True)
    log.info("ready", extra={"fields": {**ready, "engine_because": prepared.engine_because}})


async def _end(runner: web.AppRunner, service: Service, grace_seconds: float) -> None:
    """Has whoever is being answered answered. Does not clean up the application, which would wait
    for a load or a generation that never returns: the process ends right after this."""
    for site in list(runner.sites):
        await site.stop()
    await service.end(grace_seconds)
    assert runner.server is not None
    runner.server.pre_shutdown()
    await runner.server.shutdown(SHUTDOWN_SECONDS)

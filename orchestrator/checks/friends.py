"""Can the friends speak: their checkpoints, their servers elsewhere, the phrases they take up."""

from __future__ import annotations

import asyncio
import hashlib
import random
import shlex
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import aiohttp

from model_server import wire
from model_server.checkpoint_format import MANIFEST_FILE, CheckpointError, Codec, Manifest, Sizes
from orchestrator.cast import Show
from orchestrator.checks import Finding, Patient
from orchestrator.errors import ModelServerError, OrchestratorError, SettingsError
from orchestrator.phrases import load_picker
from orchestrator.servers import Servers
from orchestrator.servers.client import ModelClient
from orchestrator.servers.session import server_session

SENTENCE = "My old neighbour sold twelve green bicycles to the library."
SHORT_LINE_TOKENS = 12


def checkpoints(patient: Patient) -> Iterator[Finding]:
    """Each friend's folder: all its files there, readable, and the ones that were made."""
    folders = _folders(patient)
    for name, folder in folders.items():
        yield _checkpoint(name, folder)
    if not folders and patient.show is not None and not any(f.url for f in patient.show.friends):
        yield Finding("problem", "friends", "there are none",
                      "train one with: botconvo train FRIEND")  # fmt: skip


def _folders(patient: Patient) -> dict[str, Path]:
    """Friends' folders, even where the settings as a whole cannot be used."""
    if patient.show is not None:
        return {f.name: f.checkpoint for f in patient.show.friends if f.checkpoint}
    friends = patient.written.get("friends")
    named = [f for f in friends if isinstance(f, dict)] if isinstance(friends, list) else []
    if named:
        return {
            str(f.get("name", "?")): patient.home / f["checkpoint"]
            for f in named
            if isinstance(f.get("checkpoint"), str)
        }
    found = sorted((patient.home / "checkpoints").glob(f"*/{MANIFEST_FILE}"))
    return {path.parent.name: path.parent for path in found}


def _checkpoint(name: str, folder: Path) -> Finding:
    again = f"train the friend again with: botconvo train {shlex.quote(name)}"
    if not folder.is_dir():
        return Finding("problem", name, f"there is no folder {folder}", again)
    try:
        sizes, _ = Sizes.read(folder), Codec.read(folder)
        manifest = Manifest.read(folder)
    except CheckpointError as error:
        return Finding("problem", name, str(error).rstrip("."), again)
    has_graph = (folder / "checkpoint").is_file()
    convert = f"make it with: botconvo convert {shlex.quote(str(folder))}"
    if manifest.gguf is None:
        if any(folder.glob("*.gguf")):
            return Finding("ok", name, f"{folder}, with a GGUF file of somebody else's making")
        if has_graph:
            return Finding("warning", name, f"{folder} has no GGUF file, so the slow engine would "
                           "serve it, with TensorFlow", convert)  # fmt: skip
        return Finding("problem", name, f"{folder} holds no model", again)
    convert = convert if has_graph else again
    path = folder / manifest.gguf.file
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        why = error.strerror or str(error)
        return Finding("problem", name, f"{path} cannot be read ({why.lower()})", convert)
    if digest != manifest.gguf.hash:
        return Finding("problem", name, f"{path} is not the file that was made; it is damaged or "
                       "was replaced", convert.replace("make it", "make it again"))  # fmt: skip
    if manifest.gguf.from_step != manifest.step:
        return Finding("warning", name, f"{path} is of training step {manifest.gguf.from_step}, "
                       f"and the friend is at {manifest.step}", convert)  # fmt: skip
    return Finding("ok", name, f"{folder}: step {manifest.step}, {sizes.parameters / 1e6:.1f} "
                   f"million weights, {manifest.gguf.type}")  # fmt: skip


def phrases(patient: Patient) -> Iterator[Finding]:
    """The spaCy pipeline: loads, and finds something in a sentence."""
    if patient.show is None:
        return
    settings = patient.show.settings
    which = settings.phrases.pipeline or f"the usual one for {settings.language!r}"
    try:
        found = load_picker(settings.phrases.pipeline, settings.language).phrases(SENTENCE)
    except OrchestratorError as error:
        yield Finding("problem", "phrases", str(error).rstrip("."), "mend it in settings.toml")
        return
    if found:
        yield Finding("ok", "phrases", f"{which} finds {len(found)} in an English sentence")
    else:
        yield Finding("warning", "phrases", f"{which} finds nothing in an English sentence",
                      "choose another phrases.pipeline, unless the chat is in another "
                      "language")  # fmt: skip


def remote_servers(patient: Patient) -> Iterator[Finding]:
    """Servers that run elsewhere: reachable, BotConvo's, and which."""
    if patient.show is None:
        return
    urls = {friend.name: friend.url for friend in patient.show.friends if friend.url}
    if not urls:
        return
    try:
        yield from asyncio.run(_ask_all(patient.show, urls))
    except SettingsError as error:
        yield Finding("problem", "key", str(error).rstrip("."), "mend servers.key_file in "
                      "settings.toml, or the file")  # fmt: skip


async def _ask_all(show: Show, urls: dict[str, str]) -> list[Finding]:
    async with server_session(show) as session:
        return await asyncio.gather(*(_ask(session, name, url) for name, url in urls.items()))


async def _ask(session: aiohttp.ClientSession, name: str, url: str) -> Finding:
    client = ModelClient(session, url)
    try:
        health = await client.health()
        if health.status == "loading":
            return Finding("warning", name, f"{url} is still loading", "wait, and look again")
        manifest, version = await client.manifest(), await client.version()
    except ModelServerError as error:
        return Finding("problem", name, str(error), "start that server, or mend the friend's url "
                       "in settings.toml")  # fmt: skip
    return Finding("ok", name, f"{url} serves {manifest.speaker or health.model}, step "
                   f"{manifest.step}; version {version} of the interface")  # fmt: skip


def speaking(patient: Patient) -> Iterator[Finding]:
    """With `--deep`: every friend's server is started, and draws a few words."""
    if patient.is_deep and patient.show is not None:
        yield from asyncio.run(_all_speak(_on_any_port(patient.show)))


def _on_any_port(show: Show) -> Show:
    """The show beside which another one may be running."""
    servers = show.settings.servers.model_copy(update={"first_port": 0})
    return replace(
        show,
        settings=show.settings.model_copy(update={"servers": servers}),
        friends=tuple(replace(friend, port=None) for friend in show.friends),
    )


async def _all_speak(show: Show) -> list[Finding]:
    try:
        async with (
            server_session(show) as session,
            Servers(show, session, random.Random(0)) as servers,
        ):
            return [finding async for finding in _each_speaks(show, servers)]
    except OrchestratorError as error:
        return [
            Finding("problem", "speaking", line.rstrip("."), "see the remedies above")
            for line in str(error).splitlines()
        ]  # fmt: skip


async def _each_speaks(show: Show, servers: Servers) -> AsyncIterator[Finding]:
    sampling = wire.Sampling(n=1, max_tokens=SHORT_LINE_TOKENS, seed=1)
    for friend in show.friends:
        began = time.monotonic()
        try:
            client = await servers.client_of(friend.name)
            await client.candidates(
                (), speaker=friend.manifest.speaker or friend.name, phrase="",
                begin_with_phrase=False, sampling=sampling,
            )  # fmt: skip
        except ModelServerError as error:
            yield Finding("problem", friend.name, f"cannot speak: {str(error).rstrip('.')}",
                          "see the remedies above")  # fmt: skip
            continue
        yield Finding("ok", friend.name, f"speaks, within {time.monotonic() - began:.1f} seconds")

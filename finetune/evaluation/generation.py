"""Lines that the clones say, drawn as the show draws them: through real model servers.

Knows HTTP and processes, and nothing of what is measured on the lines. aiohttp's errors stop
here.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import aiohttp
from pydantic import ValidationError
from rapidfuzz import fuzz

from finetune.cleaning import CleanLine
from finetune.dataset import Session
from finetune.errors import FinetuneError
from finetune.evaluation.text_measures import TOO_NEAR_PERCENT, letters
from model_server import wire
from model_server.checkpoint_format import Line

HISTORY_LINES = 12
SHOWN = wire.Sampling(n=5, max_tokens=48, temperature=0.75, top_k=40, top_p=0.92)
"""As the show asks: the defaults of `[conversation]` and `[generation]` in settings.toml."""
ATTEMPTS = 3
"""Draws after which a friend without a fit line stays silent, as in the show."""
ANSWER_SECONDS = 120.0
STOP_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Said:
    """What a friend said after `context`; `text` None if no candidate was fit."""

    context: tuple[Line, ...]
    text: str | None
    verdicts: tuple[str, ...]
    """Of all candidates that were drawn for it."""


def contexts(
    found: Sequence[Session], friend: str, count: int, rng: random.Random
) -> list[tuple[Line, ...]]:
    """`count` situations from these sessions in which `friend` could speak.

    First those in which the friend really spoke, then others, in random order; if that is
    too few, once more from the beginning. Each has the last lines of the others only: the
    friend's own would show the model how the friend writes.
    """
    spoke: list[tuple[Line, ...]] = []
    silent: list[tuple[Line, ...]] = []
    for session in found:
        for place in range(1, len(session)):
            if session[place - 1].person != friend:
                lines = tuple(_others(session[:place], friend))
                (spoke if session[place].person == friend else silent).append(lines)
    rng.shuffle(spoke)
    rng.shuffle(silent)
    places = [*spoke, *silent] or [()]
    return list(islice(cycle(places), count))


def _others(lines: Sequence[CleanLine], friend: str) -> Iterator[Line]:
    shown = [line for line in lines if line.person != friend][-HISTORY_LINES:]
    return (Line(line.person, line.text) for line in shown)


@dataclass(frozen=True, slots=True)
class Speaker:
    """A friend's checkpoint and the situations to speak in."""

    friend: str
    folder: Path
    contexts: Sequence[tuple[Line, ...]]


def speak(
    speakers: Sequence[Speaker], seed: int, threads: int, say: Callable[[str], None]
) -> dict[str, list[Said]]:
    """What each speaker says in each context, in order. As many servers as `threads` run at the
    same time, each answering one request at a time, so that the same seed gives the same lines.

    Raises FinetuneError if a server does not start or fails.
    """
    return asyncio.run(_speak(speakers, seed, threads, say))


async def _speak(
    speakers: Sequence[Speaker], seed: int, threads: int, say: Callable[[str], None]
) -> dict[str, list[Said]]:
    room = asyncio.Semaphore(threads)
    said: dict[str, list[Said]] = {}

    async def one(speaker: Speaker) -> None:
        async with room:
            said[speaker.friend] = await _lines(speaker, seed)
            say(f"{speaker.friend} has said {len(speaker.contexts)} lines")

    tasks = [asyncio.create_task(one(speaker)) for speaker in speakers]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return {speaker.friend: said[speaker.friend] for speaker in speakers}


async def _lines(speaker: Speaker, seed: int) -> list[Said]:
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    rng = random.Random(f"{seed} {speaker.friend}")
    try:
        async with (
            _served(speaker) as url,
            aiohttp.ClientSession(timeout=timeout) as session,
        ):
            return [
                await _said(session, url, speaker.friend, lines, rng) for lines in speaker.contexts
            ]
    except (aiohttp.ClientError, TimeoutError, ValidationError) as error:
        raise FinetuneError(
            f"{speaker.friend}'s model server gave no answer ({error!r}); see what it says with: "
            f"botconvo serve {speaker.folder}"
        ) from error


@asynccontextmanager
async def _served(speaker: Speaker) -> AsyncIterator[str]:
    """The URL of a server of this checkpoint, which ends with the context: its standard input
    closes then, as it does if this process is killed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "model_server", "serve", str(speaker.folder),
        "--port", "0", "--threads", "1", "--end-with-stdin",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    told = asyncio.create_task(process.stderr.read())
    try:
        ready = await process.stdout.readline()
        if not ready:
            lines = (await told).decode(errors="replace").strip().splitlines()
            why = lines[-1].removeprefix("botconvo: ") if lines else "it gave no reason"
            raise FinetuneError(f"{speaker.friend}'s model server did not start: {why}")
        yield str(json.loads(ready)["ready"]["url"])
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()
        await told


async def _said(
    session: aiohttp.ClientSession,
    url: str,
    friend: str,
    lines: tuple[Line, ...],
    rng: random.Random,
) -> Said:
    """The first candidate that is fit and does not repeat what was just said."""
    verdicts: list[str] = []
    for _ in range(ATTEMPTS):
        sampling = SHOWN.model_copy(update={"seed": rng.randrange(wire.SEED_LIMIT)})
        body = wire.ChatRequest(
            messages=[wire.Message(name=line.speaker, content=line.text) for line in lines],
            botconvo=wire.Steering(speaker=friend),
            **sampling.model_dump(),
        )
        async with session.post(
            url + wire.CHAT_PATH, json=body.model_dump(exclude_none=True)
        ) as response:
            response.raise_for_status()
            answer = wire.ChatResponse.model_validate(await response.json())
        judged = [(c.message.content, _verdict(c, lines)) for c in answer.choices]
        verdicts += [verdict for _, verdict in judged]
        for text, verdict in judged:
            if verdict == "fit":
                return Said(lines, text, tuple(verdicts))
    return Said(lines, None, tuple(verdicts))


def _verdict(choice: wire.Choice, lines: Sequence[Line]) -> str:
    """The server's, and whether it repeats one of these lines."""
    if choice.botconvo.verdict != "fit":
        return choice.botconvo.verdict
    new = letters(choice.message.content)
    near = (fuzz.ratio(new, letters(line.text)) > TOO_NEAR_PERCENT for line in lines)
    return "too near to a recent line" if any(near) else "fit"

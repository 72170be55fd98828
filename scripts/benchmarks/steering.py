"""Does a phrase steer a dialogue friend, and do lines still answer what was said?

The demo friends are shown the last lines of real sessions of the sample chat, with a phrase
(a noun chunk of the last line, as the show picks it), with the same phrase as the first words,
and without. Counted are lines that take the phrase up, and lines that share a word with the
line before, beside a line of another session.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from conversation_samples import sessions_of_the_sample_chat

from orchestrator.cast import read_show
from orchestrator.phrases import Phrase, PhrasePicker, load_picker
from orchestrator.servers import Servers
from orchestrator.servers.client import Candidate, ModelClient
from orchestrator.settings import GenerationSettings
from orchestrator.show import sampling_of
from orchestrator.talk.repeats import letters
from orchestrator.talk.turn import SpokenLine

CONTEXT_LINES = 8
NOW = datetime(2000, 1, 1, tzinfo=UTC)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--contexts", type=int, default=100, help="per friend")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    asyncio.run(measure(options.contexts, options.seed))


async def measure(contexts: int, seed: int) -> None:
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "settings.toml"
        settings.write_text("[servers]\nfirst_port = 0\n", encoding="utf-8")
        show = read_show(settings)
        names = [friend.name for friend in show.friends]
        picker = load_picker(show.settings.phrases.pipeline, show.settings.language, names)
        shown = [c for c in contexts_of(rng, picker) if c[-1].phrases][: contexts * len(names)]
        async with (
            aiohttp.ClientSession() as session,
            Servers(show, session, random.Random(seed)) as servers,
        ):
            rows = []
            for place, lines in enumerate(shown):
                speaker = rng.choice([name for name in names if name != lines[-1].speaker])
                phrase = rng.choice(lines[-1].phrases)
                other = shown[(place + len(shown) // 2) % len(shown)]
                client = await servers.client_of(speaker)
                rows.append(await one_context(client, lines, speaker, phrase, other, place))
    print(f"{len(rows)} contexts of {CONTEXT_LINES} lines, best of "
          f"{GenerationSettings().candidates} candidates")  # fmt: skip
    for place, what in enumerate(("without a phrase", "with the phrase", "beginning with it")):
        takes, answers, others = (
            sum(row[place][i] for row in rows) / len(rows) for i in range(3)
        )  # fmt: skip
        print(f"{what:<20} takes it up {takes:6.1%}   shares a word with the line before "
              f"{answers:6.1%}, with one of another session {others:6.1%}")  # fmt: skip


def contexts_of(rng: random.Random, picker: PhrasePicker) -> list[list[SpokenLine]]:
    found = []
    for session in sessions_of_the_sample_chat():
        if len(session) > CONTEXT_LINES:
            end = rng.randrange(CONTEXT_LINES, len(session))
            part = session[end - CONTEXT_LINES : end]
            found.append(
                [
                    SpokenLine(n, name, text, NOW, phrases=picker.phrases(text))
                    for n, (name, text) in enumerate(part)
                ]
            )
    rng.shuffle(found)
    return found


async def one_context(
    client: ModelClient,
    lines: Sequence[SpokenLine],
    speaker: str,
    phrase: Phrase,
    other: Sequence[SpokenLine],
    seed: int,
) -> list[tuple[bool, bool, bool]]:
    """For each way of asking: takes the phrase up, shares a word with the last line, with another
    session's."""
    row = []
    for words, begin in (("", False), (phrase.text, False), (phrase.text, True)):
        sampling = sampling_of(GenerationSettings()).model_copy(update={"seed": seed})
        found = await client.candidates(
            lines, speaker=speaker, phrase=words, begin_with_phrase=begin, sampling=sampling
        )
        text = said(found)
        # What the phrase brought in is no answer of the model's own.
        own = f" {letters(text)} ".replace(f" {letters(phrase.text)} ", " ")
        row.append(
            (
                f" {letters(phrase.text)} " in f" {letters(text)} ",
                shares_a_word(own, lines[-1]),
                shares_a_word(own, other[-1]),
            )
        )
    return row


def said(found: Sequence[Candidate]) -> str:
    return next((c.text for c in found if c.is_fit), "")


def shares_a_word(text: str, line: SpokenLine) -> bool:
    """A word of the phrases of the line: those are its words that carry meaning."""
    words = {word for phrase in line.phrases for word in letters(phrase.text).split()}
    return bool(words & set(text.split()))


main()

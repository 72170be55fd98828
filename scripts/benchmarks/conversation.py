"""A long conversation of the demo friends on a virtual clock: does it stay worth watching?

Real model servers, the real show, a stage in memory on which people join in. Each figure has
its target beside it where it has one.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import logging
import tempfile
import time
from collections import Counter, deque
from pathlib import Path
from statistics import median

import psutil
from rapidfuzz import fuzz, process

from orchestrator.cast import Show, read_show
from orchestrator.platforms import PersonLine
from orchestrator.platforms.scripted import ScriptedPlatform
from orchestrator.show import ShowOptions, play
from orchestrator.talk.repeats import TOO_NEAR_PERCENT, letters
from orchestrator.transcript import Transcript
from orchestrator.transcript.records import TranscriptLine

REPEAT_WITHIN = 50
EVERY_SO_MANY_LINES = 25
"""A person speaks, once more or less."""
QUESTIONS = (
    "{friend}, what do you think of the {thing}?",
    "has anybody seen my {thing}",
    "{friend} tell {other} about the {thing}",
    "i had a dream about a {thing} again",
)
THINGS = ("tuba", "sandwich", "ferry", "spreadsheet", "moth", "museum", "goose", "bicycle")


class Crowd(ScriptedPlatform):
    """A stage with people who join in now and then, sometimes several at once."""

    def __init__(self, friends: list[str]) -> None:
        super().__init__()
        self.friends = friends
        self.lines = 0
        self.asked = itertools.count(1)
        self.memory: list[tuple[int, int]] = []

    async def say(self, line_id: int, friend: str, text: str) -> str:
        self.lines += 1
        if self.lines % EVERY_SO_MANY_LINES == 0:
            for _ in range(1 + self.lines // EVERY_SO_MANY_LINES % 3):
                self._ask()
        if self.lines % 1000 == 0:
            self.memory.append((self.lines, psutil.Process().memory_info().rss))
        return f"m{line_id}"  # not kept: the memory measured is the show's own

    def _ask(self) -> None:
        number = next(self.asked)
        text = QUESTIONS[number % len(QUESTIONS)].format(
            friend=self.friends[number % len(self.friends)],
            other=self.friends[(number + 1) % len(self.friends)],
            thing=THINGS[number % len(THINGS)],
        )
        self.do(PersonLine(f"p{number}", f"Person {number % 3}", text))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--settings", type=Path, help="default: the demo friends")
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "settings.toml").write_text("[servers]\nfirst_port = 0\n", encoding="utf-8")
        show = read_show(options.settings or home / "settings.toml")
        crowd = Crowd(friends=[friend.name for friend in show.friends])
        began, cpu = time.monotonic(), time.process_time()
        wanted = ShowOptions(lines=options.lines, seed=options.seed, fast=True)
        asyncio.run(play(show, wanted, {"main": [crowd]}))
        seconds, cpu = time.monotonic() - began, time.process_time() - cpu
        file = show.home / "data" / "transcript.sqlite"
        with Transcript.read(file) as transcript:
            lines = list(transcript.lines())
        report(show, lines, crowd)
        print(
            f"orchestrator's CPU per line              {1000 * cpu / options.lines:8.2f} ms  "
            f"(target: under 15), of {1000 * seconds / options.lines:.0f} ms in all"
        )
        print(
            f"transcript                               {file.stat().st_size / len(lines):8.0f} "
            f"bytes per row"
        )


def report(show: Show, lines: list[TranscriptLine], crowd: Crowd) -> None:
    said = [line for line in lines if line.kind == "friend"]
    silences = [line for line in lines if line.kind == "silence"]
    print(
        f"{len(said)} lines of friends, {len(silences)} silences, "
        f"{sum(line.kind == 'person' for line in lines)} lines of people, seed in the settings"
    )
    shares(show, said)
    print(f"longest run between two friends          {longest_run_of_two(said):8d} lines")
    print(
        f"near-repeats within {REPEAT_WITHIN} lines             {near_repeats(said):8.2%}  "
        "(target: under 1 %)"
    )
    print(f"distinct phrases in prompts              {distinct_phrases(said):8.1f} per 100 lines")
    answered(lines)
    reasons = Counter(str(line.why.get("reason", "")).split(":")[0] for line in silences)
    for reason, count in reasons.most_common(4):
        print(f"  silence: {count} times {reason}")
    sources = Counter(line.why["turn"]["source"] for line in said)
    print("prompts: " + ", ".join(f"{s} {n / len(said):.0%}" for s, n in sources.most_common()))
    if len(crowd.memory) > 1:
        (first, before), (last, after) = crowd.memory[0], crowd.memory[-1]
        print(
            f"memory after {first}, {last} lines     {before / 1e6:8.1f} and {after / 1e6:.1f} MB"
        )


def shares(show: Show, said: list[TranscriptLine]) -> None:
    """Of lines that nobody asked for: people's wishes are no habit of a friend."""
    own = [line for line in said if line.why["turn"]["source"] not in ("person", "wish")]
    counts = Counter(line.speaker for line in own)
    export = {friend.name: friend.manifest.trained_on.messages for friend in show.friends}
    for name, messages in export.items():
        print(
            f"share of turns, {name:<12}             {counts[name] / len(own):8.1%}  "
            f"(export: {messages / sum(export.values()):.1%})"
        )


def longest_run_of_two(said: list[TranscriptLine]) -> int:
    longest = start = 0
    speakers = [line.speaker for line in said]
    for end in range(len(speakers)):
        while len(set(speakers[start : end + 1])) > 2:
            start += 1
        longest = max(longest, end - start + 1)
    return longest


def near_repeats(said: list[TranscriptLine]) -> float:
    recent: deque[str] = deque(maxlen=REPEAT_WITHIN)
    repeats = 0
    for line in said:
        text = letters(line.text)
        found = process.extractOne(text, recent, scorer=fuzz.ratio, score_cutoff=TOO_NEAR_PERCENT)
        repeats += found is not None
        recent.append(text)
    return repeats / len(said)


def distinct_phrases(said: list[TranscriptLine]) -> float:
    hundreds = [said[at : at + 100] for at in range(0, len(said) - 99, 100)]
    return median(
        len({letters(line.why["turn"]["phrase"]) for line in part} - {""}) for part in hundreds
    )


def answered(lines: list[TranscriptLine]) -> None:
    """People's lines: all answered, each once per friend addressed, in the order asked."""
    people = [line.id for line in lines if line.kind == "person"]
    answers = [
        line.reply_to for line in lines
        if line.reply_to is not None and line.kind in ("friend", "silence")
        and line.why["turn"]["source"] == "person"
    ]  # fmt: skip
    due = [line_id for line_id in people if line_id <= max(answers, default=0)]
    share = len(set(answers) & set(due)) / len(due)
    order = "in order" if answers == sorted(answers) else "NOT in order"
    twice = len(answers) - len(set(answers))
    print(
        f"people's lines answered                  {share:8.1%}  ({len(due)} of {len(people)} due; "
        f"{order}, {twice} twice; target: 100 %)"
    )


main()

"""The show on Discord for long, in a hurry and under a crowd: against the local Discord of the
tests, with the real command's pieces in a process of their own.

    day      hours of conversation in compressed time with random faults: is anything lost, doubled?
    answer   from a person's mention to the answer's arrival, pauses off, and the model's part of it
    crowd    a hundred lines of people a second for a minute

Time is compressed for `day` by a clock that runs `--factor` times as fast: all pauses of the show
shrink, while Discord's faults, discord.py's retries and the servers' restarts take as long as ever,
and so strike as much more often per hour of the show. Discord's rate limits are off there, as they
allow no such pace; 429s come by chance instead.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from orchestrator import show as show_module  # noqa: E402
from orchestrator.cast import read_show  # noqa: E402
from orchestrator.clock import RealClock  # noqa: E402
from orchestrator.show import ShowOptions, play  # noqa: E402
from orchestrator.staging import on_stage, stages_of  # noqa: E402
from orchestrator.transcript import Transcript  # noqa: E402
from orchestrator.transcript.records import TranscriptLine  # noqa: E402
from tests.local_discord import Channel, FaultPlan, Limits, LocalDiscord, Person  # noqa: E402

SETTINGS = """
language = "xx"
[servers]
engine = "{engine}"
first_port = 0
[limits]
{limits}
[[stages]]
platform = "discord"
token_file = "bot.token"
channel = {channel}
api_base = "{api_base}"
"""
FRIENDS = ("Dex", "Juno", "Marlow", "Priya")
LAG_EVERY_SECONDS = 0.05
SETTLE_SECONDS = 20.0
"""After the last line of a person, for gaps to be closed."""


# --- the show, in a process of its own ------------------------------------------------------------


class FastClock:
    """A clock that runs so many times as fast as the machine's."""

    def __init__(self, factor: float) -> None:
        self._factor, self._real = factor, RealClock()
        self._began, self._start = time.monotonic(), datetime.now(UTC).astimezone()

    def now(self) -> datetime:
        passed = (time.monotonic() - self._began) * self._factor
        return self._start + timedelta(seconds=passed)

    async def pause(self, seconds: float, unless: asyncio.Event) -> float:
        return self._factor * await self._real.pause(seconds / self._factor, unless)


async def run_show(home: Path, factor: float, fast: bool) -> None:
    """Runs until standard input closes; then prints what the event loop's lag was."""
    show_module.RealClock = lambda: FastClock(factor)  # type: ignore[misc,assignment]
    show = read_show(home / "settings.toml")
    stages = on_stage(show, stages_of(show))
    playing = asyncio.create_task(play(show, ShowOptions(fast=fast), stages))
    lags: list[float] = []

    async def watch() -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(LAG_EVERY_SECONDS)
            lags.append(time.monotonic() - began - LAG_EVERY_SECONDS)

    watching = asyncio.create_task(watch())
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    await asyncio.wait((playing, ended), return_when=asyncio.FIRST_COMPLETED)
    watching.cancel()
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)
    lags.sort()
    part = {"p50": median(lags), "p99": lags[int(len(lags) * 0.99)], "max": lags[-1]}
    print(json.dumps(part))


class Theatre:
    """A local Discord, and the show as a process beside it."""

    def __init__(self, home: Path, limits: Limits | None, engine: str, settings: str = "") -> None:
        self.home, self._engine, self._settings = home, engine, settings
        self.local = LocalDiscord(limits=limits)
        self.people: list[Person] = []
        self.channel: Channel
        self.lag: dict[str, float] = {}

    async def __aenter__(self) -> Theatre:
        local = await self.local.__aenter__()
        guild = local.add_guild("Friends")
        self.channel = local.add_channel(guild, "bots")
        self.people = [local.add_person(f"person {number}", guild) for number in range(5)]
        self.bot = local.add_bot("BotConvo", guild)
        for name in FRIENDS:
            local.add_role(guild, name, mentionable=True)
        self.roles = {role.name: role for role in local.roles(guild)}
        (self.home / "bot.token").write_text(self.bot.token)
        (self.home / "bot.token").chmod(0o600)
        (self.home / "settings.toml").write_text(
            SETTINGS.format(
                engine=self._engine, limits=self._settings, channel=self.channel.id,
                api_base=local.api_base,
            )
        )  # fmt: skip
        return self

    async def start(self, factor: float = 1.0, *, fast: bool = False) -> None:
        command = [sys.executable, __file__, "show", str(self.home), "--factor", str(factor)]
        self.process = await asyncio.create_subprocess_exec(
            *command, *(["--fast"] if fast else []),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=(self.home / "errors.txt").open("wb"),
        )  # fmt: skip
        await self.local.when_posted(self.channel, 1, timeout_s=120)

    async def stop(self) -> None:
        out, _ = await self.process.communicate(b"")
        self.lag = json.loads(out.decode().splitlines()[-1])

    async def __aexit__(self, *error: object) -> None:
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
        await self.local.__aexit__(*error)

    def memory(self) -> float:
        """Of the show's own process, in MB."""
        return psutil.Process(self.process.pid).memory_info().rss / 1e6

    def model_servers(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def lines(self) -> list[TranscriptLine]:
        with Transcript.read(self.home / "data" / "transcript.sqlite") as kept:
            return list(kept.lines())

    def message_ids(self, lines: list[TranscriptLine]) -> dict[int, int]:
        """The message of each line that stands in the channel, by the line's id."""
        name = f"discord {self.channel.id}"
        with Transcript.read(self.home / "data" / "transcript.sqlite") as kept:
            found = {line.id: kept.message_of(name, line.id) for line in lines}
        return {line: int(message) for line, message in found.items() if message}


# --- a day with faults ----------------------------------------------------------------------------


async def day(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with Theatre(Path(folder), None, "echo") as theatre:
            await theatre.start(options.factor)
            await asyncio.sleep(5)
            memory = [theatre.memory()]
            theatre.local.faults.plan = FaultPlan(options.seed, 0.03, 0.01)
            killed = await trouble(theatre, options, memory)
            theatre.local.faults.plan = None
            await asyncio.sleep(SETTLE_SECONDS)
            memory.append(theatre.memory())
            await theatre.stop()
            report_day(theatre, options, memory, killed)


async def trouble(theatre: Theatre, options: argparse.Namespace, memory: list[float]) -> int:
    """People talk and model servers die until the time is over. Returns how many died."""
    chance, killed = random.Random(options.seed), 0
    end = time.monotonic() + options.hours * 3600 / options.factor
    while (left := end - time.monotonic()) > 0:
        # Once in two minutes of the show, more or less.
        await asyncio.sleep(min(left, chance.expovariate(1 / 120) / options.factor))
        person = chance.choice(theatre.people)
        role = theatre.roles[chance.choice(FRIENDS)]
        words = f"thing {chance.randrange(10**6)}"
        text = f"{role.mention} what about {words}?" if chance.random() < 0.5 else words
        person.says(theatre.channel, text)
        if chance.random() < 0.1 and (servers := theatre.model_servers()):
            chance.choice(servers).kill()
            killed += 1
        if len(memory) < 1000:
            memory.append(theatre.memory())
    return killed


def report_day(
    theatre: Theatre, options: argparse.Namespace, memory: list[float], killed: int
) -> None:
    lines = theatre.lines()
    ids = theatre.message_ids(lines)
    messages = theatre.local.messages(theatre.channel)
    standing = Counter(message.id for message in messages if message.webhook_id)
    friends = [line for line in lines if line.kind == "friend" and not line.unsaid]
    lost = [line for line in friends if ids.get(line.id) not in standing]
    doubled = set(standing) - set(ids.values())
    people = [message.id for message in messages if not message.author.is_bot
              and not message.webhook_id]  # fmt: skip
    missed = set(people) - set(ids.values())
    struck = theatre.local.faults.struck
    print(f"{options.hours:g} hours at {options.factor:g} times the pace, seed {options.seed}")
    print("faults: " + ", ".join(f"{n} {kind}" for kind, n in struck.most_common()))
    print(f"model servers killed                     {killed:8d}")
    print(f"lines of friends posted                  {len(friends):8d}")
    print(f"  lost, doubled                          {len(lost):8d} {len(doubled)}  (target: 0 0)")
    print(f"lines of people                          {len(people):8d}")
    print(f"  missed                                 {len(missed):8d}  (target: 0)")
    print(f"pings sent                               {pings(theatre):8d}  (target: 0)")
    print(f"memory at start, end, most               {memory[0]:8.0f} {memory[-1]:.0f} "
          f"{max(memory):.0f} MB")  # fmt: skip
    report_lag(theatre)


def pings(theatre: Theatre) -> int:
    """By the show's messages; people mention roles, which is theirs to do."""
    people = {person.id for person in theatre.people}
    by_people = {m.id for m in theatre.local.messages(theatre.channel) if m.author.id in people}
    return sum(ping.message_id not in by_people for ping in theatre.local.pings)


def report_lag(theatre: Theatre) -> None:
    lag = {name: 1000 * seconds for name, seconds in theatre.lag.items()}
    print(f"event loop's lag, p50, p99, max          {lag['p50']:8.1f} {lag['p99']:.1f} "
          f"{lag['max']:.0f} ms")  # fmt: skip


# --- how soon an answer is there ------------------------------------------------------------------


async def answer(options: argparse.Namespace) -> None:
    alone = "lines_in_a_row = 1\nlines_per_hour = 100000"
    with tempfile.TemporaryDirectory() as folder:
        async with Theatre(Path(folder), Limits(), options.engine, alone) as theatre:
            await theatre.start(fast=True)
            waited = []
            for number in range(options.mentions):
                role = theatre.roles[FRIENDS[number % len(FRIENDS)]]
                asked = theatre.people[0].says(theatre.channel, f"{role.mention} a walrus?")
                began = time.monotonic()
                await theatre.local.when_posted(theatre.channel, 1, after=asked, timeout_s=60)
                waited.append(time.monotonic() - began)
                await asyncio.sleep(0.3)  # whoever else wants to speak does it now
            await theatre.stop()
            report_answers(theatre, options, waited)


def report_answers(theatre: Theatre, options: argparse.Namespace, waited: list[float]) -> None:
    lines = theatre.lines()
    people = {line.id for line in lines if line.kind == "person"}
    model = sorted(
        seconds for line in lines if line.kind == "friend" and line.reply_to in people
        and (seconds := line.why.get("timings", {}).get("generate_seconds")) is not None
    )  # fmt: skip
    waited.sort()
    p99 = waited[min(len(waited) - 1, int(len(waited) * 0.99))]
    print(f"{len(waited)} mentions, engine {options.engine}, pauses off")
    print(f"mention to answer, p50, p99              {median(waited):8.2f} {p99:.2f} s")
    if model:
        part = median(model) / median(waited)
        print(f"  the model's part of it, p50            {median(model):8.2f} s ({part:.0%})")


# --- a crowd --------------------------------------------------------------------------------------


async def crowd(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with Theatre(Path(folder), Limits(), "echo") as theatre:
            await theatre.start(fast=True)
            memory, count = [theatre.memory()], round(100 * options.seconds)
            began = time.monotonic()
            for number in range(count):
                person = theatre.people[number % len(theatre.people)]
                name = FRIENDS[number % len(FRIENDS)] if number % 10 == 0 else ""
                person.says(theatre.channel, f"{name} line {number} of many".strip())
                if number % 100 == 0:
                    memory.append(theatre.memory())
                await asyncio.sleep(max(0.0, began + number / 100 - time.monotonic()))
            took = time.monotonic() - began
            await asyncio.sleep(SETTLE_SECONDS)
            memory.append(theatre.memory())
            await theatre.stop()
            lines = theatre.lines()
            heard = {line.id for line in lines if line.kind == "person"}
            answered = {line.reply_to for line in lines if line.kind == "friend"} & heard
            print(f"{count} lines of people in {took:.0f} s")
            print(f"heard, answered                          {len(heard):8d} {len(answered)}")
            print(f"memory at start, end, most               {memory[0]:8.0f} {memory[-1]:.0f} "
                  f"{max(memory):.0f} MB")  # fmt: skip
            report_lag(theatre)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=("all", "day", "answer", "crowd", "show"), nargs="?",
                        default="all")  # fmt: skip
    parser.add_argument("home", type=Path, nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("--hours", type=float, default=24.0, help="of the show")
    parser.add_argument("--factor", type=float, default=120.0, help="how much time is compressed")
    parser.add_argument("--mentions", type=int, default=50)
    parser.add_argument("--engine", default="auto", help="of the answers")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the crowd")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fast", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part == "show":
        asyncio.run(run_show(options.home, options.factor, options.fast))
        return
    for part in (day, answer, crowd):
        if options.part in ("all", part.__name__):
            asyncio.run(part(options))


main()

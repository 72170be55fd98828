"""How does a show in a Telegram group stand a day of trouble, and where is each line in the end?

The real program with echoing model servers on a Bot API server on loopback, without pauses between
lines: as many lines as Telegram takes in the hours that are asked for (20 a minute). Requests fail
by chance, before or after Telegram has carried them out, and every so often the server is away.
Then each line of the transcript is looked for in the group, and each message of the group in the
transcript. A line whose answer was lost is uncertain, also when an outage cut it off on its way; it
is lost only if the show takes it for shown.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from orchestrator.transcript.file import transcript_path  # from the path above
from tests.local_telegram import Chat, LocalTelegram
from tests.local_telegram.faults import (
    BAD_GATEWAY,
    BAD_GATEWAY_ACCEPTED,
    CUT_ACCEPTED,
    flood,
)

LINES_PER_HOUR = 20 * 60
FAULTS = {"before": (flood(1),), "after": (CUT_ACCEPTED, BAD_GATEWAY_ACCEPTED)}
"""When they strike: before Telegram has carried the request out, or after."""
OUTAGE_SECONDS = 1.5
LINES_PER_PERSONS_LINE = 100
START_LINES = 100
"""After these the memory is measured for the first time."""
LONGEST_SECONDS = 2 * 3600
MEGABYTE = 1e6
# Echoes of echoes grow alike, and friends who find nothing new to say fall silent.
SETTINGS = """
[servers]
engine = "echo"
first_port = 0
[limits]
repeat_within_lines = 1
phrase_rounds = 1000
[[stages]]
platform = "telegram"
token_file = "telegram.token"
chat = {chat}
api_base = "{base}"
messages_per_minute = 0
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=24.0, help="of a show at full speed")
    parser.add_argument("--rate", type=float, default=0.003, help="of requests that fail")
    parser.add_argument("--outages", type=int, default=10, help="per 1000 lines: of all requests")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=list(FAULTS))
    options = parser.parse_args()
    print("| faults | struck | lines | lost | doubled | uncertain | of these not there "
          "| people heard | seconds | MB at first | MB at the end |\n"
          "|---|---|---|---|---|---|---|---|---|---|---|")  # fmt: skip
    for when in options.faults:
        print(asyncio.run(day(when, options)), flush=True)


async def day(when: str, options: argparse.Namespace) -> str:
    lines = max(round(options.hours * LINES_PER_HOUR), 2 * START_LINES)
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "show.log").open("wb") as log:
        home = Path(folder)
        async with LocalTelegram() as local:
            local.keeps_calls = False
            bot, anna = local.add_bot("Convo"), local.add_person("Anna")
            group = local.add_group("Friends", anna, bot)
            (home / "telegram.token").touch(mode=0o600)
            (home / "telegram.token").write_text(bot.token)
            settings = SETTINGS.format(chat=group.id, base=local.base)
            (home / "settings.toml").write_text(settings)
            local.faults.by_chance("sendMessage", FAULTS[when], options.rate, options.seed)
            local.faults.next("getUpdates", BAD_GATEWAY, times=3)
            began = time.monotonic()
            show = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "orchestrator", "run", "--platform", "telegram", "--fast",
                "--lines", str(lines), "--seed", str(options.seed), cwd=home,
                stderr=log, stdout=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            outages = options.outages if when == "before" else 0
            try:
                said, first, last = await asyncio.wait_for(
                    watched(local, group, show, lines, outages), LONGEST_SECONDS
                )
                await show.wait()
            except TimeoutError as error:
                told = (home / "show.log").read_text(encoding="utf-8").splitlines(keepends=True)
                sys.exit(f"{error}; the show said last:\n" + "".join(told[-10:]))
            finally:
                if show.returncode is None:
                    show.kill()
                    await show.wait()
            seconds = time.monotonic() - began
            found = compared(home, group)
            struck = ", ".join(f"{n} {kind}" for kind, n in sorted(local.faults.struck.items()))
            return (
                f"| {when} | {struck} | {found['lines']} | {found['lost']} | {found['doubled']} "
                f"| {found['uncertain']} | {found['not there']} | {found['people']} of {said} "
                f"| {seconds:.0f} | {first:.0f} | {last:.0f} |"
            )


async def watched(
    local: LocalTelegram, group: Chat, show: asyncio.subprocess.Process, lines: int, outages: int
) -> tuple[int, float, float]:
    """Has Anna say something every so often and Telegram go away; how often she did, and the
    program's memory in megabytes after some lines and at the end."""
    program, said, first, last = psutil.Process(show.pid), 0, 0.0, 0.0
    anna = group.people[0]
    away_every = 1000 // outages if outages else lines
    for count in range(START_LINES, lines - START_LINES, START_LINES):
        await local.when(lambda count=count: len(group.messages) >= count, "lines", 300)
        last = program.memory_info().rss / MEGABYTE
        first = first or last
        if count % LINES_PER_PERSONS_LINE == 0:
            local.says(anna, group, f"Dex, what about soup number {count}?")
            said += 1
        if outages and count % away_every == 0:
            await local.goes_away()
            await asyncio.sleep(OUTAGE_SECONDS)
            await local.comes_back()
            local.faults.struck["outage"] += 1
    return said, first, last


def compared(home: Path, group: Chat) -> Counter[str]:
    """What stands in the transcript beside what stands in the group."""
    found: Counter[str] = Counter()
    left = {f"{group.id}/{message.id}": message.text for message in group.of_bots()}
    notices = [key for key, text in left.items() if text.partition(": ")[0] not in NAMES]
    for notice in notices:
        del left[notice]
    unplaced: Counter[str] = Counter()
    with sqlite3.connect(transcript_path(home)) as database:
        rows = database.execute(
            "SELECT kind, speaker || ': ' || text, message_id FROM lines LEFT JOIN posts "
            "ON line = id WHERE unsaid = 0 AND kind IN ('friend', 'person')"
        )
        for kind, text, message_id in rows:
            if kind == "person":
                found["people"] += 1
                continue
            found["lines"] += 1
            if (message_id or "").startswith("unknown/"):
                found["uncertain"] += 1
                unplaced[text] += 1
            elif left.pop(message_id, None) != text:
                found["lost"] += 1
    # What is left stands there without a known number: each must be an uncertain line, once.
    standing = Counter(left.values())
    found["doubled"] = (standing - unplaced).total()
    found["not there"] = (unplaced - standing).total()
    return found


NAMES = frozenset({"Dex", "Juno", "Marlow", "Priya"})

if __name__ == "__main__":
    main()

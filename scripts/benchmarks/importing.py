"""Import of generated exports: seconds and peak memory, beside `json.load` of the same file.

Every figure is of a process of its own. `json.load` reads the whole file into memory and does
nothing with it; an import streams it, checks every record and writes it into SQLite.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

TEXT = """the pizza is late again lol did you see what gerald did yesterday i think we should meet
at eight because nobody is home and the cat ate my homework ok why not tomorrow größe été"""
WORDS = TEXT.split()
FRIENDS = 8
DISCORD_EPOCH_MS = 1_420_070_400_000
JSON_LOAD = "import json, sys; json.load(open(sys.argv[1], encoding='utf-8'))"
NOTHING = "import finetune.corpus, finetune.collect"


@dataclass(frozen=True)
class Cost:
    seconds: float
    megabytes: float


def run(*command: str) -> Cost:
    """Wall time and peak memory of a process."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed")
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return Cost(time.perf_counter() - started, usage.ru_maxrss / unit)


def said(count: int) -> Iterator[tuple[datetime, int, str]]:
    rng = random.Random(1)
    time_ = datetime(2019, 1, 1, tzinfo=UTC)
    for _ in range(count):
        time_ += timedelta(milliseconds=1 + int(rng.expovariate(1 / 60_000)))
        yield time_, rng.randrange(FRIENDS), " ".join(rng.choices(WORDS, k=rng.randint(1, 20)))


def discord_json(path: Path, count: int) -> None:
    """As DiscordChatExporter 2.47 writes it, some 900 bytes a message."""
    users = [
        {"id": str(10**17 + i * 7919), "name": f"friend{i}", "discriminator": "0000",
         "nickname": f"Friend {i}", "color": "#3498DB", "isBot": False,
         "roles": [{"id": str(2 * 10**17), "name": "Member", "color": "#3498DB", "position": 3}],
         "avatarUrl": f"https://cdn.discordapp.com/avatars/{10**17 + i * 7919}/{'0a' * 16}.png"}
        for i in range(FRIENDS)
    ]  # fmt: skip
    with path.open("w", encoding="utf-8") as file:
        file.write('{\n  "guild": {\n    "id": "1",\n    "name": "Bench"\n  },\n  "channel": {\n'
                   '    "id": "2",\n    "type": "GuildTextChat",\n    "name": "general"\n  },\n'
                   '  "messages": [')  # fmt: skip
        for number, (sent, friend, text) in enumerate(said(count)):
            ms = int(sent.timestamp() * 1000)
            message = {
                "id": str((ms - DISCORD_EPOCH_MS) << 22), "type": "Default",
                "timestamp": sent.isoformat(timespec="milliseconds"), "timestampEdited": None,
                "callEndedTimestamp": None, "isPinned": False, "content": text,
                "author": users[friend], "attachments": [], "embeds": [], "stickers": [],
                "reactions": [], "mentions": [], "inlineEmojis": [],
            }  # fmt: skip
            shown = json.dumps(message, indent=2, ensure_ascii=False).replace("\n", "\n    ")
            file.write(("," if number else "") + "\n    " + shown)
        file.write(f'\n  ],\n  "messageCount": {count}\n}}')


def telegram_json(path: Path, count: int) -> None:
    """As Telegram Desktop writes it."""
    with path.open("w", encoding="utf-8") as file:
        file.write('{\n "name": "Bench",\n "type": "private_group",\n "id": 77,\n "messages": [')
        for number, (sent, friend, text) in enumerate(said(count)):
            message = {
                "id": number + 1, "type": "message", "date": f"{sent:%Y-%m-%dT%H:%M:%S}",
                "date_unixtime": str(int(sent.timestamp())), "from": f"Friend {friend}",
                "from_id": f"user{friend + 1}", "text": text,
                "text_entities": [{"type": "plain", "text": text}],
            }  # fmt: skip
            shown = json.dumps(message, indent=1, ensure_ascii=False).replace("\n", "\n  ")
            file.write(("," if number else "") + "\n  " + shown)
        file.write("\n ]\n}")


def whatsapp_text(path: Path, count: int) -> None:
    """As WhatsApp on Android writes it."""
    with path.open("w", encoding="utf-8") as file:
        for sent, friend, text in said(count):
            file.write(f"{sent:%d/%m/%Y, %H:%M} - Friend {friend}: {text}\n")


def compare(title: str, path: Path, write: Callable[[Path, int], None], count: int) -> None:
    write(path, count)
    size = path.stat().st_size / 1e6
    corpus = path.with_suffix(".sqlite")
    importing = ("-m", "finetune", "import", str(path), "--corpus", str(corpus), "--json")
    print(f"\n{title}: {count} messages, {size:.0f} MB")
    peer = run("-c", JSON_LOAD, str(path)) if path.suffix == ".json" else None
    first, second = run(*importing), run(*importing)
    rows = {"import into an empty corpus": first, "the same file again": second}
    if peer:
        rows = {"json.load alone": peer, **rows}
    for name, cost in rows.items():
        times = f"{cost.seconds / peer.seconds:5.2f} of json.load" if peer else ""
        print(f"  {name:<28} {cost.seconds:6.2f} s  {cost.megabytes:7.0f} MB  {times}")
    print(f"  the second import is {first.seconds / second.seconds:.1f} times as fast as the first")
    path.unlink()
    corpus.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description="Import benchmarks.")
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--large", action="store_true", help="ten times as much Discord, too")
    options = parser.parse_args()
    alone = run("-c", NOTHING)
    print(f"Python with the importers loaded: {alone.seconds:.2f} s, {alone.megabytes:.0f} MB")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        few = options.messages // 2
        compare("Discord JSON", place / "discord.json", discord_json, options.messages)
        compare("Telegram JSON", place / "result.json", telegram_json, few)
        compare("WhatsApp text", place / "_chat.txt", whatsapp_text, few)
        if options.large:
            compare("Discord JSON", place / "large.json", discord_json, options.messages * 10)


if __name__ == "__main__":
    main()

"""`stats`: what is in the corpus, what cleaning took, and whether it is enough."""

from __future__ import annotations

import argparse
import errno
import importlib.util
import math
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.commands.console import (
    DONE,
    Commands,
    add_command,
    corpus_option,
    json_option,
    packaged_base,
    print_json,
    read_clean,
    selection_options,
)
from finetune.errors import FinetuneError
from finetune.replacing import replaced
from finetune.wording import as_arguments, on_one_line, worded

if TYPE_CHECKING:
    from finetune.cleaning import CleaningReport
    from finetune.dataset import CleanCorpus
    from finetune.inspection import Inspection, Overview

SHOWN_FRIENDS = 12
BLOCKS = "▁▂▃▄▅▆▇█"


def add_stats(commands: Commands) -> None:
    parser = add_command(
        commands, "stats", _stats, "What is in the corpus, and whether it is enough."
    )
    parser.add_argument("--dropped", action="store_true",
                        help="what each cleaning rule took, with examples")  # fmt: skip
    parser.add_argument("--plot", type=Path, metavar="FILE.png|svg|html", help="draw it")
    selection_options(parser)
    corpus_option(parser)
    json_option(parser)


def _stats(options: argparse.Namespace) -> int:
    from finetune.inspection import inspect
    from model_server.checkpoint_format import Codec

    if options.plot:
        _check_plot(options.plot)
    cleaned = read_clean(options)
    if options.dropped:
        return _dropped(cleaned.report, as_json=options.json)
    if not cleaned.sessions:
        raise FinetuneError(
            f"None of the {cleaned.report.read} messages can be learnt from; see: "
            "botconvo stats --dropped"
        )
    found = inspect(cleaned, Codec.read(packaged_base()))
    if options.plot:
        from finetune.plots import plot

        with replaced(options.plot) as path:
            plot(cleaned, found, path)
    if options.json:
        print_json(_document(cleaned, found))
        return DONE
    _print(cleaned, found)
    if options.plot:
        print(f"{options.plot} shows it.")
    best = next((e.friend for e in found.enough if e.way != "not enough"), None)
    if best:
        print(worded(f"Next: botconvo train {as_arguments(best)}"))
    return DONE


def _check_plot(path: Path) -> None:
    if path.suffix not in (".png", ".svg", ".html"):
        raise FinetuneError(f"--plot {path}: the name must end in .png, .svg or .html.")
    if importlib.util.find_spec("matplotlib") is None:
        raise FinetuneError(
            "--plot needs matplotlib; `./scripts/run` installs it by itself, or: "
            "pip install 'botconvo[plots]'"
        )
    if not path.parent.is_dir():
        # Told before the work, not after it.
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))


def _dropped(report: CleaningReport, *, as_json: bool) -> int:
    from finetune.cleaning import RULES

    if as_json:
        print_json({
            "read": report.read, "kept": report.kept, "dropped": dict(report.dropped),
            "changed": dict(report.changed), "private": dict(report.private),
            "examples": report.examples,
        })  # fmt: skip
        return DONE
    print(f"{report.read} messages = {report.kept} kept + {sum(report.dropped.values())} dropped")
    for rule in RULES:
        dropped, changed = report.dropped[rule.name], report.changed[rule.name]
        print(f"\n{rule.name}: {rule.says}")
        print(f"  dropped {dropped}, changed {changed}")
        for before, after in report.examples.get(rule.name, []):
            shown = on_one_line(before)[:70]
            if shown:
                print(f"    {shown!r}" + (f" -> {after[:70]!r}" if after else ""))
    print(worded("\nTo leave a rule out: botconvo train FRIEND --keep-rule NAME"))
    return DONE


def _document(cleaned: CleanCorpus, found: Inspection) -> dict[str, Any]:
    def row(o: Overview) -> dict[str, Any]:
        return asdict(o) | {"first": o.first.isoformat(), "last": o.last.isoformat()}

    return {
        "messages": cleaned.report.read,
        "usable": cleaned.report.kept,
        "dropped": dict(cleaned.report.dropped),
        "chats": [row(o) for o in found.chats],
        "friends": [row(o) for o in found.friends],
        "answers": found.answers,
        "typical_words": found.typical,
        "enough": [asdict(e) for e in found.enough],
    }


def _print(cleaned: CleanCorpus, found: Inspection) -> None:
    from finetune.inspection import LONGEST_THREADS

    sizes = sorted(len(s) for s in cleaned.sessions)
    print(
        f"{cleaned.report.read} messages, {cleaned.report.kept} of them usable, in "
        f"{len(found.chats)} chats and {len(sizes)} conversations (median "
        f"{sizes[len(sizes) // 2]} messages, longest {sizes[-1]})\n"
    )
    shown = min(LONGEST_THREADS, len(found.chats))
    print(f"The {shown} longest threads:\n" if shown > 1 else "The thread:\n")
    for number, chat in enumerate(found.chats[:LONGEST_THREADS], 1):
        print(f"  [{number}] {on_one_line(chat.name)} ({chat.messages})")
        for person, count in list(chat.people.items())[:SHOWN_FRIENDS]:
            print(f"      - {on_one_line(person)} [{count}|{count / chat.messages:.2%}]")
    print("\nFriends:\n")
    for friend in found.friends[:SHOWN_FRIENDS]:
        _print_friend(friend, found)
    if len(found.friends) > SHOWN_FRIENDS:
        print(f"  ... and {len(found.friends) - SHOWN_FRIENDS} more; --json lists all.\n")
    print("Is this enough?\n")
    for enough in found.enough[:SHOWN_FRIENDS]:
        print(f"  {on_one_line(enough.friend)}: {enough.way}; {enough.messages} messages, "
              f"{enough.tokens} tokens. {on_one_line(enough.advice)}")  # fmt: skip
    print()


def _print_friend(friend: Overview, found: Inspection) -> None:
    answers = found.answers.get(friend.name, {})
    answered = ", ".join(f"{on_one_line(n)} {count}" for n, count in list(answers.items())[:4])
    print(
        f"  {on_one_line(friend.name)}: {friend.messages} messages, {friend.words} words, median "
        f"length {friend.median_length:g} characters, {friend.first:%Y-%m-%d} to "
        f"{friend.last:%Y-%m-%d}, in {friend.conversations} conversations"
    )
    print(f"      by hour, 0 to 23  {_bars(friend.hours)}")
    print(f"      answers           {answered or 'nobody'}")
    print(f"      typical words     {', '.join(found.typical[friend.name]) or 'none yet'}\n")


def _bars(counts: tuple[int, ...]) -> str:
    top = max(counts) or 1
    return "".join(BLOCKS[math.ceil(c / top * 8) - 1] if c else " " for c in counts)

"""What the commands share: options, exit codes, and how they speak."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finetune.selection import Selection

DONE, FAILED, MISTAKE, INTERRUPTED = 0, 1, 2, 130

CORPUS = Path("data/corpus.sqlite")
CHECKPOINTS = Path("checkpoints")
MODELS = Path("models")
DATASETS = Path("data/datasets")

Command = Callable[[argparse.Namespace], int]
Commands = Any  # argparse keeps the type of `add_subparsers` private


def add_command(
    commands: Commands, name: str, command: Command, text: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(command=command)
    return parser


def corpus_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--corpus", type=Path, default=CORPUS, metavar="FILE", help=f"default: {CORPUS}"
    )


def json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def selection_options(parser: argparse.ArgumentParser) -> None:
    """Which messages are used, and which cleaning rules are off."""
    parser.add_argument(
        "--chat", action="append", default=[], metavar="NAME",
        help="only chats with this in their name; * stands for anything",
    )  # fmt: skip
    parser.add_argument("--not-chat", action="append", default=[], metavar="NAME")
    parser.add_argument("--since", type=date.fromisoformat, metavar="YYYY-MM-DD")
    parser.add_argument("--until", type=date.fromisoformat, metavar="YYYY-MM-DD")
    parser.add_argument(
        "--keep-rule", action="append", default=[], metavar="RULE", dest="keep_rules",
        help="switch a cleaning rule off; stats --dropped lists them",
    )  # fmt: skip


def selection_of(options: argparse.Namespace) -> Selection:
    from finetune.selection import Selection

    return Selection(tuple(options.chat), tuple(options.not_chat), options.since, options.until)


def worded(text: str) -> str:
    """The text with `botconvo` as the user calls it: scripts/run says how that is."""
    return text.replace("botconvo ", os.environ.get("BOTCONVO_COMMAND", "botconvo") + " ")


def folder_name(friend: str) -> str:
    """A friend's name as the name of a folder on any system."""
    return re.sub(r"[^\w-]+", "_", friend.casefold()).strip("_") or "friend"


def quoted(name: str) -> str:
    return f'"{name}"' if " " in name else name


def print_json(document: Any) -> None:
    print(json.dumps(document, ensure_ascii=False, indent=2))


def packaged_base() -> Path:
    """The folder of the base model that is shipped with the demo."""
    spec = importlib.util.find_spec("orchestrator")
    root = Path(str(spec.origin)).parent if spec and spec.origin else Path()
    return root / "demo" / "base"

"""What the commands share: options, exit codes, and what is said of files that cannot be used."""

from __future__ import annotations

import argparse
import errno
import importlib.util
import json
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.errors import FinetuneError

if TYPE_CHECKING:
    from finetune.corpus import Corpus
    from finetune.dataset import CleanCorpus
    from finetune.selection import Selection

DONE, FAILED, MISTAKE, INTERRUPTED = 0, 1, 2, 130

CORPUS = Path("data/corpus.sqlite")
CHECKPOINTS = Path("checkpoints")
MODELS = Path("models")
DATASETS = Path("data/datasets")

REMEDIES = {
    errno.ENOENT: "there is no such file or folder; make the folder first, or name another place.",
    errno.ENOTDIR: "a part of this path is a file and no folder; name another place.",
    errno.EISDIR: "that is a folder; name a file.",
    errno.EEXIST: "there is a file of this name; name another place.",
    errno.EACCES: "you have no right to that; name a place of your own.",
    errno.EROFS: "nothing can be written there; name a place of your own.",
    errno.ENOSPC: "the disk is full; make room, or name a place on another one.",
}

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
    parser.add_argument("--since", type=_date, metavar="YYYY-MM-DD")
    parser.add_argument("--until", type=_date, metavar="YYYY-MM-DD")
    parser.add_argument(
        "--keep-rule", action="append", default=[], metavar="RULE", dest="keep_rules",
        help="switch a cleaning rule off; stats --dropped lists them",
    )  # fmt: skip


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no date; write it as 2024-03-31") from error


def selection_of(options: argparse.Namespace) -> Selection:
    """Raises FinetuneError if no day can be in it."""
    from finetune.selection import Selection

    if options.since and options.until and options.since > options.until:
        raise FinetuneError(
            f"--since {options.since} is later than --until {options.until}; exchange them."
        )
    return Selection(tuple(options.chat), tuple(options.not_chat), options.since, options.until)


def read_clean(options: argparse.Namespace) -> CleanCorpus:
    """The selected messages, cleaned. Raises FinetuneError if none is selected."""
    from finetune.corpus import Corpus
    from finetune.dataset import CleanCorpus

    selection = selection_of(options)
    with Corpus.open(options.corpus) as corpus:
        cleaned = CleanCorpus.read(corpus, selection, options.keep_rules)
        if not cleaned.report.read:
            raise nothing_selected(corpus, selection)
    return cleaned


def nothing_selected(corpus: Corpus, selection: Selection) -> FinetuneError:
    """The error that says what there would be to select."""
    undated = replace(selection, since=None, until=None)
    days = {message.sent_at.date() for message in corpus.messages(undated)}
    return FinetuneError(selection.why_nothing(days))


def sentence_on(error: OSError) -> str:
    """One sentence on a file that cannot be used, with what to do."""
    said = REMEDIES.get(error.errno or 0, f"{error.strerror or error}; name another place.")
    return said[:1].upper() + said[1:] if error.filename is None else f"{error.filename}: {said}"


def print_json(document: Any) -> None:
    print(json.dumps(document, ensure_ascii=False, indent=2))


def packaged_base() -> Path:
    """The folder of the base model that is shipped with the demo."""
    spec = importlib.util.find_spec("orchestrator")
    root = Path(str(spec.origin)).parent if spec and spec.origin else Path()
    return root / "demo" / "base"


TRAIN_EXTRA = ("tensorflow", "gpt_2_simple", "gguf")


def need_train_extra() -> None:
    """Raises FinetuneError if what training needs is not installed."""
    missing = [name for name in TRAIN_EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        raise FinetuneError(
            f"This command needs {', '.join(missing)}, which running does without; "
            "`./scripts/run` installs them by itself, or: pip install 'botconvo[train]'"
        )


def run_options(parser: argparse.ArgumentParser) -> None:
    """Options of every command that trains."""
    seed_and_threads(parser)
    parser.add_argument("--save-every", type=_seconds, default=600.0, metavar="SECONDS")


def seed_and_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=_whole, default=1)
    parser.add_argument("--threads", type=_whole, default=0, help="default: all cores")


def positive(text: str) -> float:
    """An option's number above 0."""
    value = _number(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return value


def count(text: str) -> int:
    """An option's whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 on")
    return int(text)


def _seconds(text: str) -> float:
    value = _number(text)
    if not value >= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan

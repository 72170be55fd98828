"""`friends` and `forget`: who is in the corpus, and out of it again."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.commands.console import (
    CHECKPOINTS,
    DATASETS,
    DONE,
    MODELS,
    Commands,
    add_command,
    corpus_option,
    json_option,
    print_json,
)
from finetune.wording import as_arguments, on_one_line, worded

if TYPE_CHECKING:
    from finetune.people import AccountRow


# --- friends ------------------------------------------------------------------------------


def add_friends(commands: Commands) -> None:
    parser = add_command(commands, "friends", _friends, "List who is in the corpus.")
    parser.add_argument("--all", action="store_true", help="bots and webhooks too")
    corpus_option(parser)
    json_option(parser)
    kinds = parser.add_subparsers(metavar="merge|split|rename")
    merging = add_command(kinds, "merge", _merge, "Say that two of them are one person.")
    merging.add_argument("name", metavar="A")
    merging.add_argument("other", metavar="B")
    splitting = add_command(kinds, "split", _split, "Take a merge back.")
    splitting.add_argument("name", metavar="A")
    renaming = add_command(kinds, "rename", _rename, "Give a person another name.")
    renaming.add_argument("name", metavar="A")
    renaming.add_argument("new_name", metavar="NAME")
    for kind in (merging, splitting, renaming):
        # Allowed on either side of the word; SUPPRESS lets the first one stand.
        kind.add_argument("--corpus", type=Path, default=argparse.SUPPRESS, metavar="FILE")


def _friends(options: argparse.Namespace) -> int:
    from finetune.corpus import Corpus
    from finetune.dataset import CleanCorpus
    from finetune.people import accounts, likely_same

    with Corpus.open(options.corpus) as corpus:
        everybody = accounts(corpus)
        shown = [a for a in everybody if options.all or a.kind == "person"]
        if options.json:
            print_json([_account_row(a) for a in shown])
            return DONE
        if not shown:
            print("Nobody wrote anything yet.")
            return DONE
        cleaned = CleanCorpus.read(corpus)
    _print_friends(shown, {friend.name: friend.lines for friend in cleaned.friends()})
    for main, other in likely_same(everybody):
        print(worded(
            f"{on_one_line(main.person)} and {on_one_line(other.person)} may be one person; if "
            f"so: botconvo friends merge {as_arguments(main.person, other.person)}"
        ))  # fmt: skip
    dropped = ", ".join(f"{n} {why}" for why, n in cleaned.report.dropped.most_common())
    print(f"Of {cleaned.report.read} messages {cleaned.report.kept} can be learnt from; "
          f"left out: {dropped or 'none'}")  # fmt: skip
    print(worded("Next: botconvo stats, or: botconvo train " + as_arguments(shown[0].person)))
    return DONE


def _account_row(a: AccountRow) -> dict[str, Any]:
    return {
        "name": a.name, "platform": a.platform, "id": a.id, "kind": a.kind,
        "messages": a.messages, "first": a.first.isoformat(), "last": a.last.isoformat(),
        "person": a.person,
    }  # fmt: skip


def _print_friends(rows: list[AccountRow], usable: dict[str, int]) -> None:
    width = max(len(on_one_line(row.person)) for row in rows)
    print(f"{'name':<{width}} {'messages':>9} {'usable':>7}  first       last        "
          "platform   kind")  # fmt: skip
    told: set[str] = set()
    for row in rows:
        count = "" if row.person in told else usable.get(row.person, 0)
        told.add(row.person)
        alias = "" if row.name == row.person else f"  as {on_one_line(row.name)}"
        print(
            f"{on_one_line(row.person):<{width}} {row.messages:>9} {count:>7}  {_day(row.first)}  "
            f"{_day(row.last)}  {row.platform:<10} {row.kind}{alias}"
        )


def _day(time: datetime) -> str:
    return time.date().isoformat()


def _merge(options: argparse.Namespace) -> int:
    from finetune.corpus import Corpus
    from finetune.people import merge

    with Corpus.open(options.corpus) as corpus:
        person = merge(corpus, options.name, options.other)
    print(worded(f"{on_one_line(options.other)} counts as {on_one_line(person)} now. To take it "
                 f"back: botconvo friends split {as_arguments(person)}"))  # fmt: skip
    return DONE


def _split(options: argparse.Namespace) -> int:
    from finetune.corpus import Corpus
    from finetune.people import split

    with Corpus.open(options.corpus) as corpus:
        names = split(corpus, options.name)
    print(f"These are {len(names)} persons again: {', '.join(map(on_one_line, names))}")
    return DONE


def _rename(options: argparse.Namespace) -> int:
    from finetune.corpus import Corpus
    from finetune.people import rename

    with Corpus.open(options.corpus) as corpus:
        rename(corpus, options.name, options.new_name)
    name, new_name = map(on_one_line, (options.name, options.new_name))
    print(f"{name} is called {new_name} now, in later training too.")
    return DONE


# --- forget -------------------------------------------------------------------------------


def add_forget(commands: Commands) -> None:
    parser = add_command(
        commands, "forget", _forget,
        "Take a person out of corpus, datasets, checkpoints and pooled model.",
    )  # fmt: skip
    parser.add_argument("friend", metavar="FRIEND", help="put -- before a name that begins with -")
    for option, default in (
        ("--checkpoints", CHECKPOINTS), ("--models", MODELS), ("--datasets", DATASETS),
    ):  # fmt: skip
        parser.add_argument(option, type=Path, default=default, metavar="FOLDER",
                            help="default: %(default)s")  # fmt: skip
    parser.add_argument("--dry-run", action="store_true",
                        help="remove nothing, only say what would be removed")  # fmt: skip
    parser.add_argument("--missing-ok", action="store_true",
                        help="a name that nobody has is no mistake")  # fmt: skip
    corpus_option(parser)
    json_option(parser)


def _forget(options: argparse.Namespace) -> int:
    from finetune.forgetting import Places, forget_person

    receipt = forget_person(
        Places(options.corpus, options.checkpoints, options.models, options.datasets),
        options.friend, dry_run=options.dry_run, missing_ok=options.missing_ok,
    )  # fmt: skip
    if options.json:
        print_json(receipt.as_json())
    else:
        for sentence in receipt.sentences(dry_run=options.dry_run):
            print(worded(sentence))
    sys.stdout.flush()  # while a broken pipe is still expected
    return DONE

"""`dataset` and `export`: the corpus as files for other programs."""

from __future__ import annotations

import argparse
import sys
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.commands.console import (
    DATASETS,
    DONE,
    Commands,
    add_command,
    corpus_option,
    json_option,
    nothing_selected,
    print_json,
    read_clean,
    selection_of,
    selection_options,
)
from finetune.errors import FinetuneError
from finetune.folder_names import folder_name
from finetune.replacing import named_in_errors, replaced
from finetune.wording import as_arguments, worded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from finetune.corpus import Corpus
    from finetune.neutral_form import Row

KINDS = ("monologue", "dialogue", "pairs", "text", "text-authors")


def add_dataset(commands: Commands) -> None:
    parser = add_command(
        commands, "dataset", _dataset, "Write a friend's training, validation and test text."
    )
    parser.add_argument("friends", nargs="*", metavar="FRIEND", help="default: everybody")
    parser.add_argument("--kind", action="append", choices=KINDS, help="default: all of them")
    parser.add_argument("--out", type=Path, default=DATASETS, metavar="FOLDER",
                        help="default: %(default)s")  # fmt: skip
    selection_options(parser)
    corpus_option(parser)
    json_option(parser)


def _dataset(options: argparse.Namespace) -> int:
    from finetune.dataset_files import write_dataset

    cleaned = read_clean(options)
    friends = [cleaned.friend(name) for name in options.friends] or cleaned.friends()
    with named_in_errors(options.out):
        rows = [
            {"friend": friend.name, "kind": w.kind, "part": w.part, "path": str(w.path),
             "examples": w.examples}
            for friend in friends
            for w in write_dataset(cleaned, friend.name, options.out / folder_name(friend.name),
                                   options.kind or KINDS)
        ]  # fmt: skip
    if options.json:
        print_json(rows)
        return DONE
    for row in rows:
        print(f"{row['path']}: {row['examples']}")
    parts = cleaned.parts
    print(
        f"Held out, for everybody: from {parts.validation_from:%Y-%m-%d} to validate on, from "
        f"{parts.test_from:%Y-%m-%d} to test on."
    )
    print(worded(f"Next: botconvo train {as_arguments(friends[0].name)}"))
    return DONE


def add_export(commands: Commands) -> None:
    parser = add_command(commands, "export", _export, "Write the corpus in a neutral form.")
    parser.add_argument("--format", choices=["json", "csv", "text"], default="json",
                        help="default: %(default)s")  # fmt: skip
    parser.add_argument("--authors", action="store_true", help="of text: `name: ` before each")
    parser.add_argument("--clean", action="store_true",
                        help="only what can be learnt from, as plain words")  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: standard output")
    selection_options(parser)
    corpus_option(parser)


def _export(options: argparse.Namespace) -> int:
    from finetune.corpus import Corpus
    from finetune.neutral_form import write_rows

    with Corpus.open(options.corpus) as corpus:
        rows = _rows(corpus, options)
        if options.out is None:
            with named_in_errors("standard output"):
                write_rows(rows, sys.stdout, options.format, authors=options.authors)
            return DONE
        with (
            replaced(options.out) as path,
            path.open("w", encoding="utf-8", newline="") as file,
        ):
            count = write_rows(rows, file, options.format, authors=options.authors)
    print(f"{options.out}: {count} messages")
    return DONE


def _rows(corpus: Corpus, options: argparse.Namespace) -> Iterator[Row]:
    """What is to be written, of which there is something. Raises FinetuneError otherwise."""
    from finetune.neutral_form import cleaned_rows, raw_rows

    selection = selection_of(options)
    rows = (
        cleaned_rows(corpus, selection, options.keep_rules)
        if options.clean
        else raw_rows(corpus, selection)
    )
    first = next(rows, None)
    if first is not None:
        return chain([first], rows)
    if next(corpus.messages(selection), None) is None:
        raise nothing_selected(corpus, selection)
    raise FinetuneError(
        "None of the selected messages can be learnt from; see: botconvo stats --dropped"
    )

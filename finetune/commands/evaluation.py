"""`evaluate`: how good the clones are, as a page, a table and JSON."""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.commands.console import (
    CHECKPOINTS,
    CORPUS,
    DONE,
    MODELS,
    Commands,
    add_command,
    count,
    json_option,
    need_train_extra,
    packaged_base,
    print_json,
    read_clean,
    seed_and_threads,
    selection_options,
)
from finetune.errors import FinetuneError
from finetune.wording import on_one_line

if TYPE_CHECKING:
    from finetune.evaluation.likeness import Likeness
    from finetune.evaluation.results import Evaluation
    from finetune.evaluation.text_measures import Copying

REPORTS = Path("data/evaluation")
SHOWN_MISSING = 12
LIBRARIES = {"sklearn": "scikit-learn", "matplotlib": "matplotlib"}


def add_evaluate(commands: Commands) -> None:
    parser = add_command(
        commands, "evaluate", _evaluate, "How good the clones are, on messages they have not seen."
    )
    parser.add_argument("friends", nargs="*", metavar="FRIEND",
                        help="default: everybody who has a checkpoint")  # fmt: skip
    parser.add_argument("--demo", action="store_true",
                        help="the shipped demo friends, on the shipped sample chat")  # fmt: skip
    parser.add_argument("--lines", type=count, default=100, metavar="N",
                        help="that each clone says (default: %(default)s)")  # fmt: skip
    parser.add_argument("--out", type=Path, default=REPORTS, metavar="FOLDER",
                        help="for the page (default: %(default)s)")  # fmt: skip
    parser.add_argument("--corpus", type=Path, metavar="FILE", help=f"default: {CORPUS}")
    parser.add_argument("--checkpoints", type=Path, metavar="FOLDER",
                        help=f"default: {CHECKPOINTS}")  # fmt: skip
    parser.add_argument("--models", type=Path, metavar="FOLDER", help=f"default: {MODELS}")
    seed_and_threads(parser)
    selection_options(parser)
    json_option(parser)


def _evaluate(options: argparse.Namespace) -> int:
    _need_libraries()
    from finetune.evaluation.subjects import find_subjects

    with _corpus_to_read(options):
        cleaned = read_clean(options)
    checkpoints = options.checkpoints or (_demo() / "friends" if options.demo else CHECKPOINTS)
    subjects, missing = find_subjects(cleaned, checkpoints, options.friends)
    options.out.mkdir(parents=True, exist_ok=True)  # told before the work, not after it
    from finetune.evaluation.measure import Order, evaluate
    from finetune.evaluation.report import write_report

    order = Order(
        subjects=tuple(subjects),
        missing=tuple(missing),
        # A user's own base and pooled models know nothing of the demo.
        models=options.models or (_demo() if options.demo else MODELS),
        packaged_base=packaged_base(),
        lines=options.lines,
        seed=options.seed,
        threads=options.threads,
    )
    found = evaluate(cleaned, order, lambda text: print(f"... {text}", file=sys.stderr))
    page = write_report(found, options.out)
    for gone in found.missing[:SHOWN_MISSING]:
        print(f"botconvo: {gone.name} is left out: {gone.reason}.", file=sys.stderr)
    if rest := found.missing[SHOWN_MISSING:]:
        print(f"botconvo: ... and {len(rest)} more; the page lists all.", file=sys.stderr)
    if options.json:
        print_json(found.as_json() | {"page": str(page)})
        return DONE
    _print(found)
    print(f"\n{page} tells the rest.")
    return DONE


def _need_libraries() -> None:
    need_train_extra()
    gone = [name for module, name in LIBRARIES.items() if not importlib.util.find_spec(module)]
    if gone:
        raise FinetuneError(
            f"evaluate needs {' and '.join(gone)}; `./scripts/run` installs them by itself, or: "
            "pip install 'botconvo[train]'"
        )


@contextmanager
def _corpus_to_read(options: argparse.Namespace) -> Iterator[None]:
    """Has `options.corpus` name a file: with --demo and no other, the sample chat, imported into
    a file that is gone afterwards."""
    if not options.demo or options.corpus is not None:
        options.corpus = options.corpus or CORPUS
        yield
        return
    with tempfile.TemporaryDirectory() as folder:
        options.corpus = Path(folder) / "corpus.sqlite"
        _import_sample(options.corpus)
        yield


def _import_sample(path: Path) -> None:
    from finetune.collect import collect
    from finetune.corpus import Corpus
    from finetune.message import ReadOptions

    reading = ReadOptions()
    with Corpus.open(path, create=True) as corpus:
        for found in collect([_demo() / "sample_chat.json"], reading).found:
            corpus.add(found.importer, found.source, reading)


def _demo() -> Path:
    return packaged_base().parent


def _print(found: Evaluation) -> None:
    rows = [tuple(map(on_one_line, row)) for row in _gist(found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print("  ".join(cells).rstrip())
    print()
    for friend in found.friends:
        print(f"{on_one_line(friend.friend)}: {friend.verdict.advice}")
    likeness = found.likeness
    if likeness:
        print(
            f"\n{likeness.generated.accuracy.value:.0%} of what the clones say is taken for the "
            f"right friend's (real lines: {likeness.real.accuracy.value:.0%}, by chance: "
            f"{likeness.chance:.0%}); that is {likeness.of_ceiling.value:.0%} of the real lines' "
            "figure."
        )


def _gist(found: Evaluation) -> list[tuple[str, ...]]:
    """The table, its head first."""
    from finetune.evaluation.report import model_bits, model_names

    likeness = found.likeness
    rows: list[tuple[str, ...]] = [
        ("friend", *model_names(found), "like the friend", "copied", "verdict")
    ]
    for friend in found.friends:
        rows.append((
            friend.friend, *model_bits(found, friend),
            _alike(likeness, friend.friend),
            _copied(friend.generated_copies, friend.real_copies), friend.verdict.learning,
        ))  # fmt: skip
    return rows


def _alike(likeness: Likeness | None, friend: str) -> str:
    if likeness is None or friend not in likeness.generated.by_friend:
        return "-"
    own, real = likeness.generated.by_friend[friend], likeness.real.by_friend[friend]
    return f"{own.value:.0%} (real {real.value:.0%})"


def _copied(*pair: Copying | None) -> str:
    own, real = (f"{found.share.value:.0%}" if found else "-" for found in pair)
    return f"{own} (real {real})"

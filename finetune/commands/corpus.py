"""`import`, `friends` and `forget`: what goes into the corpus, who is in it, and out again."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from datetime import datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.commands.console import (
    CHECKPOINTS,
    DATASETS,
    DONE,
    FAILED,
    INTERRUPTED,
    MISTAKE,
    MODELS,
    Commands,
    add_command,
    as_arguments,
    corpus_option,
    folder_name,
    json_option,
    on_one_line,
    print_json,
    worded,
)
from finetune.errors import BadExport

if TYPE_CHECKING:
    from finetune.collect import Collection
    from finetune.corpus import Corpus
    from finetune.intake import ImportReport
    from finetune.message import ReadOptions
    from finetune.people import AccountRow

SHOWN_FILES = 12
SHOWN_REMARKS = 8
SHOWN_PROBLEMS = 20
SHOWN_ALIKE = 3
"""Problems of one file and one reason."""
PLATFORMS = ("discord", "telegram", "messenger", "instagram", "whatsapp", "lines")


# --- import -------------------------------------------------------------------------------


def add_import(commands: Commands) -> None:
    parser = add_command(commands, "import", _import, "Read chat exports into the corpus.")
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH",
                        help="file, folder or zip, as the chat program exported it")  # fmt: skip
    parser.add_argument("--time-zone", type=_zone, metavar="NAME",
                        help="of exports that write local times (Europe/Berlin); default: that "
                             "of this machine")  # fmt: skip
    parser.add_argument("--day-first", action=argparse.BooleanOptionalAction,
                        help="whether 3/4 is the third of April; default: worked out")  # fmt: skip
    parser.add_argument("--platform", choices=PLATFORMS, help="default: worked out")
    parser.add_argument("--author", metavar="NAME",
                        help="who wrote a file of bare lines, one message a line")  # fmt: skip
    parser.add_argument("--prune", action="store_true",
                        help="take out what these exports no longer hold of the time that they "
                             "cover")  # fmt: skip
    corpus_option(parser)
    json_option(parser)


def _zone(name: str) -> tzinfo:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise argparse.ArgumentTypeError(
            f"{name!r} is no time zone; they are called like Europe/Berlin or UTC"
        ) from error


def _import(options: argparse.Namespace) -> int:
    from finetune.collect import collect
    from finetune.corpus import Corpus
    from finetune.message import ReadOptions

    reading = ReadOptions(
        zone=options.time_zone, day_first=options.day_first, platform=options.platform,
        author=options.author,
    )  # fmt: skip
    reports: list[ImportReport] = []
    failures: list[dict[str, str]] = []
    try:
        collection = collect(options.paths, reading)
        if collection.found:
            with Corpus.open(options.corpus, create=True) as corpus:
                _add_all(corpus, collection, reading, options.prune, reports, failures)
    except KeyboardInterrupt:
        done = f"{len(reports)} files are imported, and " if reports else ""
        print(
            f"botconvo: stopped; {done}nothing of the file that was being read. The same command "
            "goes on from there.",
            file=sys.stderr,
        )
        return INTERRUPTED
    failures = [_problem(p.path, "", p.reason) for p in collection.problems] + failures
    problems = list(failures)
    for report in reports:
        problems += [_problem(report.path, s.where, s.reason) for s in report.problems]
        if report.broken_off:
            problems.append(_problem(report.path, "", report.broken_off))
    if options.json:
        print_json({"files": [_report_row(r) for r in reports], "problems": problems})
    else:
        _print_import(reports, collection, problems)
    if not reports:
        return MISTAKE
    return FAILED if failures or any(r.broken_off for r in reports) else DONE


def _add_all(
    corpus: Corpus, collection: Collection, reading: ReadOptions, prune: bool,
    reports: list[ImportReport], failures: list[dict[str, str]],
) -> None:  # fmt: skip
    """Adds to `reports` and `failures` file by file, so that they are right at any time."""
    for found in collection.found:
        try:
            reports.append(corpus.add(found.importer, found.source, reading, prune=prune))
        except (BadExport, OSError) as error:
            reason = str(error)
            if isinstance(error, OSError):
                reason = f"{found.source} cannot be read: {error.strerror or error}."
            failures.append(_problem(str(found.source), "", reason))


def _problem(path: str, where: str, reason: str) -> dict[str, str]:
    return {"path": path, "where": where, "reason": reason}


def _report_row(report: ImportReport) -> dict[str, Any]:
    return {
        "path": report.path,
        "format": report.format,
        "chat": report.chat,
        "read": report.read,
        "kept": report.kept,
        "duplicates": report.duplicates,
        "replaced": report.replaced,
        "skipped": dict(report.skipped),
        "pruned": report.pruned,
        "remarks": report.remarks,
        "first": report.first.isoformat() if report.first else None,
        "last": report.last.isoformat() if report.last else None,
    }


def _print_import(
    reports: list[ImportReport], collection: Collection, problems: list[dict[str, str]]
) -> None:
    for report in reports[:SHOWN_FILES]:
        print(f"{report.path}: {report.format}, {on_one_line(report.chat) or 'no messages'}")
        print(f"  {_sum(report)}")
    if len(reports) > SHOWN_FILES:
        print(f"... and {len(reports) - SHOWN_FILES} more files")
    remarks = list(dict.fromkeys(remark for report in reports for remark in report.remarks))
    for remark in remarks[:SHOWN_REMARKS]:
        print(f"  Note: {remark}")
    if len(remarks) > SHOWN_REMARKS:
        print(f"  ... and {len(remarks) - SHOWN_REMARKS} more such notes")
    if len(reports) > 1:
        print(f"All together: {_sum(*reports)}")
    if collection.set_aside:
        found, better = collection.set_aside[0]
        print(
            f"{len(collection.set_aside)} files were set aside, as others beside them hold the "
            f"same messages in a better format ({found.source.name}: {better} was read instead)."
        )
    if reports and collection.other_files:
        print(f"{collection.other_files} other files are no chat exports.")
    sentences = list(_summed_up(problems))
    for sentence, _ in sentences[:SHOWN_PROBLEMS]:
        print(f"botconvo: {sentence}", file=sys.stderr)
    if rest := sum(count for _, count in sentences[SHOWN_PROBLEMS:]):
        print(f"botconvo: ... and {rest} more; --json lists all.", file=sys.stderr)
    if reports:
        print(worded("Next: botconvo friends"))


def _summed_up(problems: list[dict[str, str]]) -> Iterator[tuple[str, int]]:
    """Sentences, and for how many problems each stands: a few of every file and reason."""
    alike: dict[tuple[str, str], list[dict[str, str]]] = {}
    for problem in problems:
        alike.setdefault((problem["path"], problem["reason"]), []).append(problem)
    for (path, reason), found in alike.items():
        for problem in found[:SHOWN_ALIKE]:
            where = f"{path}, {problem['where']}: " if problem["where"] else ""
            yield where + worded(reason), 1
        if (more := len(found) - SHOWN_ALIKE) > 0:
            yield f"... and {more} more like this in {path}", more


def _sum(*reports: ImportReport) -> str:
    """read = new + already there + skipped, with the reasons."""
    skipped: dict[str, int] = {}
    for report in reports:
        for reason, count in report.skipped.items():
            skipped[reason] = skipped.get(reason, 0) + count
    reasons = ", ".join(f"{reason}: {count}" for reason, count in skipped.items())
    edited = sum(r.replaced for r in reports)
    pruned = sum(r.pruned for r in reports)
    return (
        f"{sum(r.read for r in reports)} read = {sum(r.kept for r in reports)} new + "
        f"{sum(r.duplicates for r in reports)} already there"
        f"{f' ({edited} of them edited since)' if edited else ''} + "
        f"{sum(skipped.values())} skipped{f' ({reasons})' if reasons else ''}"
        f"{f'; {pruned} pruned' if pruned else ''}"
    )


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
        options.friend, folder_name, dry_run=options.dry_run, missing_ok=options.missing_ok,
    )  # fmt: skip
    if options.json:
        print_json(receipt.as_json())
    else:
        for sentence in receipt.sentences(dry_run=options.dry_run):
            print(worded(sentence))
    sys.stdout.flush()  # while a broken pipe is still expected
    return DONE

"""`import`: chat exports into the corpus."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.commands.console import (
    DONE,
    FAILED,
    INTERRUPTED,
    MISTAKE,
    Commands,
    add_command,
    corpus_option,
    json_option,
    print_json,
)
from finetune.errors import BadExport
from finetune.wording import on_one_line, worded

if TYPE_CHECKING:
    from finetune.collect import Collection
    from finetune.corpus import Corpus
    from finetune.intake import ImportReport
    from finetune.message import ReadOptions

SHOWN_FILES = 12
SHOWN_REMARKS = 8
SHOWN_PROBLEMS = 20
SHOWN_ALIKE = 3
"""Problems of one file and one reason."""
PLATFORMS = ("discord", "telegram", "messenger", "instagram", "whatsapp", "lines")


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

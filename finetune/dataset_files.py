"""Datasets as files: one folder per friend, for whatever program trains on them.

    monologue-PART.csv     the friend's messages, as gpt-2-simple reads them: one column, a header
    dialogue-PART.jsonl    {"context": [{"name", "text"}], "reply": {"name", "text"}, ...}
    pairs-PART.jsonl       {"client", "server"}: what was said to the friend, and the answer
    text-PART.txt          conversations in which the friend takes part, a message a line
    text-authors-PART.txt  the same as `name: text`
    dataset.json           what was chosen, where the parts are divided, who is in it

PART is training, validation or test. An empty line divides conversations.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.cleaning import CleanLine
from finetune.dataset import CleanCorpus, Session
from model_server.checkpoint_format import Line, dialogue_line

INDEX_FILE = "dataset.json"
CSV_HEADER = "text"
CONTEXT_TURNS = 12
"""Lines before a reply that go with it: what the orchestrator shows a friend by default."""


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file of a dataset and how many examples it holds."""

    path: Path
    kind: str
    part: str
    examples: int


def write_dataset(
    corpus: CleanCorpus, friend: str, folder: Path, kinds: Sequence[str]
) -> list[WrittenFile]:
    """Writes the chosen kinds of dataset of one friend. Raises TooLittleText, OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    people = _people_of_other_files(folder, kinds)
    for part, found in corpus.parts.named().items():
        joined = [s for s in corpus.stitched(found) if any(_is_by(friend, li) for li in s)]
        for kind in kinds:
            name, write = KINDS[kind]
            path = folder / name.format(part=part)
            written.append(WrittenFile(path, kind, part, write(joined, friend, path)))
        said_by = {line.person for session in joined for line in session}
        people |= said_by & {friend} if set(kinds) == {"monologue"} else said_by
    index = {
        "friend": friend,
        "people": sorted(people),
        "selection": corpus.chosen(),
        "validation_from": corpus.parts.validation_from.isoformat(),
        "test_from": corpus.parts.test_from.isoformat(),
        "files": [{"file": w.path.name, "examples": w.examples} for w in written],
    }
    _write_text(folder / INDEX_FILE, [json.dumps(index, ensure_ascii=False, indent=2)])
    return written


def people_of_datasets(folder: Path) -> Iterator[tuple[Path, frozenset[str] | None]]:
    """Folders of datasets with those whose lines stand in them; None where that cannot be read."""
    for path in sorted(found for found in folder.glob("*") if found.is_dir()):
        yield path, _people(path)


def _people(folder: Path) -> frozenset[str] | None:
    try:
        index = json.loads((folder / INDEX_FILE).read_text(encoding="utf-8"))
        people = [index["friend"], *index["people"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return frozenset(people) if all(isinstance(name, str) for name in people) else None


def _people_of_other_files(folder: Path, kinds: Sequence[str]) -> set[str]:
    """Those in files that an earlier call wrote and this one, which writes `kinds`, leaves."""
    others = [name for kind, (name, _) in KINDS.items() if kind not in kinds]
    if any(any(folder.glob(name.format(part="*"))) for name in others):
        return set(_people(folder) or ())
    return set()


def write_csv(lines: Iterable[CleanLine], path: Path) -> int:
    """Writes the single-column CSV that `gpt_2_simple.finetune` reads: a header row, then a
    message a row. Returns how many rows were written."""
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([CSV_HEADER])
        for line in lines:
            writer.writerow([line.text])
            count += 1
    return count


def dialogue_rows(found: Iterable[Session], friend: str) -> Iterator[dict[str, Any]]:
    """Each of the friend's lines with the lines before it."""
    for session in found:
        for place, line in enumerate(session):
            if place and _is_by(friend, line):
                context = session[max(0, place - CONTEXT_TURNS) : place]
                yield {
                    "context": [{"name": li.person, "text": li.text} for li in context],
                    "reply": {"name": line.person, "text": line.text},
                    "chat": line.chat,
                    "sent_at": line.sent_at.isoformat(),
                }


def message_pairs(found: Iterable[Session], friend: str) -> Iterator[dict[str, str]]:
    """What somebody else said last, and the friend's answer; bursts count as one message with
    several lines. Opening words, which answer nothing, are no pair."""
    for session in found:
        client: list[str] = []
        server: list[str] = []
        speaker = ""
        for line in session:
            if _is_by(friend, line):
                server.append(line.text)
                continue
            if server or line.person != speaker:
                if client and server:
                    yield {"client": "\n".join(client), "server": "\n".join(server)}
                client, server, speaker = [], [], line.person
            client.append(line.text)
        if client and server:
            yield {"client": "\n".join(client), "server": "\n".join(server)}


def _is_by(friend: str, line: CleanLine) -> bool:
    return line.person == friend and not line.repeated


def _monologue(found: Sequence[Session], friend: str, path: Path) -> int:
    return write_csv((line for s in found for line in s if _is_by(friend, line)), path)


def _dialogue(found: Sequence[Session], friend: str, path: Path) -> int:
    return _write_text(path, map(_json_line, dialogue_rows(found, friend)))


def _pairs(found: Sequence[Session], friend: str, path: Path) -> int:
    return _write_text(path, map(_json_line, message_pairs(found, friend)))


def _text(found: Sequence[Session], friend: str, path: Path) -> int:
    return _write_text(path, _in_sessions(found, lambda line: line.text))


def _text_with_authors(found: Sequence[Session], friend: str, path: Path) -> int:
    return _write_text(
        path,
        _in_sessions(found, lambda li: dialogue_line(Line(li.person, li.text)).rstrip("\n")),
    )


def _in_sessions(found: Sequence[Session], shown: Callable[[CleanLine], str]) -> Iterator[str]:
    for session in found:
        yield "\n".join(shown(line) for line in session) + "\n"


def _json_line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False)


def _write_text(path: Path, rows: Iterable[str]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(row + "\n")
            count += 1
    return count


Writer = Callable[[Sequence[Session], str, Path], int]
KINDS: dict[str, tuple[str, Writer]] = {
    "monologue": ("monologue-{part}.csv", _monologue),
    "dialogue": ("dialogue-{part}.jsonl", _dialogue),
    "pairs": ("pairs-{part}.jsonl", _pairs),
    "text": ("text-{part}.txt", _text),
    "text-authors": ("text-authors-{part}.txt", _text_with_authors),
}

"""What `botconvo why` and `botconvo transcript` say, as text for the command line to print."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from orchestrator.errors import OrchestratorError
from orchestrator.settings import find_settings
from orchestrator.transcript import Transcript
from orchestrator.transcript.explain import explain, wanted_line
from orchestrator.transcript.export import FORMS, as_data
from orchestrator.transcript.file import MAIN, transcript_path
from orchestrator.transcript.records import TranscriptLine
from orchestrator.transcript.when import counted, moment


@dataclass(frozen=True, slots=True)
class Choice:
    """Which lines are wanted, and in which form: text, md, jsonl or html."""

    since: str | None = None
    until: str | None = None
    search: str | None = None
    all: bool = False
    form: str = "text"
    of: str = MAIN


def transcript_file(settings: Path | None, conversation: str = MAIN) -> Path:
    """Where the show keeps its transcript. Raises SettingsError if the named file is missing."""
    found = find_settings(settings)
    return transcript_path(found.parent if found else Path(), conversation)


def why(which: str, settings: Path | None, conversation: str = MAIN, *, as_json: bool) -> str:
    """Explains a line, by its number or "last". Raises OrchestratorError."""
    with Transcript.read(transcript_file(settings, conversation)) as transcript:
        line = wanted_line(transcript, which)
        if not as_json:
            return explain(transcript, line) + "\n"
        answers = [as_data(transcript, answer) for answer in transcript.answers_to(line.id)]
        data = {
            **as_data(transcript, line),
            "explanation": explain(transcript, line).splitlines(),
            "answers": answers,
        }
        return json.dumps(data, ensure_ascii=False, indent=2) + "\n"


def transcript_pieces(choice: Choice, settings: Path | None, now: datetime) -> Iterator[str]:
    """The wanted lines in their form, piece by piece. Raises OrchestratorError, also if there are
    no such lines."""
    since = moment(choice.since, now) if choice.since else None
    until = moment(choice.until, now, end=True) if choice.until else None
    if since and until and since >= until:
        raise OrchestratorError(
            f"--since {choice.since} is not before --until {choice.until}; exchange them."
        )
    with Transcript.read(transcript_file(settings, choice.of)) as transcript:
        lines = transcript.lines(
            since, until, choice.search, conversation="all" if choice.all else None
        )
        first = next(lines, None)
        if first is None:
            raise OrchestratorError(_nothing(choice, transcript))
        yield from FORMS[choice.form](transcript, _with(first, lines))


def _with(first: TranscriptLine, lines: Iterable[TranscriptLine]) -> Iterator[TranscriptLine]:
    yield first
    yield from lines


def _nothing(choice: Choice, transcript: Transcript) -> str:
    if not (choice.since or choice.until or choice.search):
        return "Nothing has been said yet in this conversation; --all shows the earlier ones."
    where = "in any conversation" if choice.all else "in the last conversation; --all looks in all"
    runs = transcript.runs("all" if choice.all else None)
    if (choice.since or choice.until) and any(counted(run.started_at) is not None for run in runs):
        where += "; a show with --seed or --lines keeps no dates, so look for its lines without any"
    return f"There is no such line {where}."


def write(pieces: Iterable[str], target: Path) -> None:
    """Writes all pieces, or leaves what was there. Raises OrchestratorError."""
    place = part = target
    if target.is_file() or not target.exists():  # pipes and devices cannot be replaced
        place = target.resolve()
        part = place.with_name(f".{place.name}.{os.getpid()}.part")
    try:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(pieces)
        if part != place:
            part.replace(place)
    except OSError as error:
        raise OrchestratorError(
            f"{target} cannot be written ({error.strerror}); name another place with --out."
        ) from error
    finally:
        if part != place:
            with suppress(OSError):
                part.unlink(missing_ok=True)

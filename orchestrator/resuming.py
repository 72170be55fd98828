"""What a run of the show begins with: the end of the runs before it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from orchestrator.control import Control, Refused
from orchestrator.phrases import PhrasePicker
from orchestrator.talk.conversation import Conversation
from orchestrator.talk.turn import SpokenLine
from orchestrator.transcript import Transcript
from orchestrator.transcript.records import TranscriptLine

RESUMED_LINES = 50
"""So many lines of an earlier run are taken up."""
LASTING = frozenset({"pause", "resume", "mute", "unmute", "pace"})
"""Commands that hold until the opposite one."""
EDITED, DELETED = "edited", "deleted"
"""What people do to lines by the means of a platform; kept as commands of these names, so that a
replay knows when it was."""
STILL_WAITING = timedelta(hours=1)
"""Who spoke before that no longer waits for an answer."""


def take_up(
    conversation: Conversation, transcript: Transcript, picker: PhrasePicker, count: int,
    now: datetime,
) -> None:  # fmt: skip
    """Goes on where the transcript stops: the last lines (`count` or more), people's lines that
    nobody has answered yet, and lines that must not come again."""
    waiting = transcript.unanswered(now - STILL_WAITING)
    last = transcript.last(max(count, RESUMED_LINES))
    begin(conversation, last, waiting, transcript.unsaid_texts(RESUMED_LINES), picker)


def as_before(control: Control, commands: Iterable[TranscriptLine]) -> None:
    """Mutes, pace and a pause hold until they are ended, also across runs."""
    for row in commands:
        if row.why.get("name") not in LASTING or not row.why.get("done", True):
            continue
        with suppress(Refused):  # a friend who is no longer here
            control.keep(row.why["name"], row.why.get("argument", ""))


def begin(
    conversation: Conversation,
    last: Iterable[TranscriptLine],
    waiting: Sequence[TranscriptLine],
    taken_back: Sequence[str],
    picker: PhrasePicker,
) -> None:
    """Takes up the last lines, and those that wait, however far back they are."""
    lines = {line.id: line for line in (*waiting, *last)}
    conversation.resume(
        [spoken(lines[line_id], picker) for line_id in sorted(lines)],
        {line.id: _addressed(line) for line in waiting},
    )
    conversation.never_again(taken_back)


def _addressed(line: TranscriptLine) -> Sequence[str]:
    found: Sequence[str] = line.why.get("addressed", ())
    return found


def spoken(row: TranscriptLine, picker: PhrasePicker) -> SpokenLine:
    """A line of the transcript as the conversation hears it."""
    line = SpokenLine(row.id, row.speaker, "", row.said_at, row.kind == "person")
    return line.reworded(row.text, picker)

"""Why a line was said, or why nobody says anything, in plain words, from the transcript alone.

Knows nothing of the conversation that goes on; copes with reasons of which parts are missing,
as older shows wrote less.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from orchestrator.errors import OrchestratorError
from orchestrator.transcript import Transcript
from orchestrator.transcript.explain_turn import about, of_turn, quoted
from orchestrator.transcript.reason import Reason, TurnReason
from orchestrator.transcript.records import TranscriptLine, printable
from orchestrator.transcript.when import told

LOOKED_AT = 200
"""So many lines before and after one are looked at, as a transcript may have a million."""


def wanted_line(transcript: Transcript, which: str) -> TranscriptLine:
    """The line that is meant: its number, or "last" for the last line or silence. Raises
    OrchestratorError, which says what there is."""
    if which.casefold() == "last":
        for line in reversed(list(transcript.lines(limit=LOOKED_AT))):
            # A notice with a reason says why nobody speaks.
            if line.kind in ("friend", "person", "silence") or line.why.get("reason"):
                return line
        raise OrchestratorError("Nobody has said anything yet; start a show with: botconvo run")
    number = which.removeprefix("#")
    if not (number.isascii() and number.isdigit()):
        raise OrchestratorError(f"{which!r} is no line; give its number, or: last")
    # SQLite's numbers have 63 bits.
    line_found = transcript.line(int(number)) if len(number) < 19 else None
    if line_found is None:
        raise OrchestratorError(
            f"There is no line {number}; botconvo transcript --all --jsonl shows those that are."
        )
    return line_found


def in_one_sentence(transcript: Transcript, line: TranscriptLine) -> str:
    """Who, why this friend, and about what: for a chat, where more would be in the way."""
    reason = Reason.of(line.why)
    turn = reason.turn or TurnReason()
    because = f": {printable(turn.chosen_because)}" if turn.chosen_because else ""
    if line.kind == "friend":
        return f"{line.speaker} said {quoted(line.text)}{because}; {about(turn)}."
    if line.kind == "silence":
        return f"{_who(line)} stayed silent{because}; {why_silent(line)}."
    return " ".join([_heading(line), *_of_others(transcript, line, reason)])


def explain(transcript: Transcript, line: TranscriptLine) -> str:
    """Several lines of plain text, each a sentence or an item of a list."""
    reason = Reason.of(line.why)
    parts = [_heading(line)]
    if line.kind == "silence":
        parts += _of_silence(transcript, line, reason)
    elif line.kind != "friend":
        parts += _of_others(transcript, line, reason)
    parts += of_turn(transcript, line, reason)
    parts += _aftermath(transcript, line)
    return "\n".join(parts)


def _heading(line: TranscriptLine) -> str:
    place = f"(line {line.id}, {told(line.said_at)})"
    match line.kind:
        case "silence":
            return f"{_who(line)} stayed silent {place}."
        case "command":
            return f"{line.speaker} gave the command {quoted(line.text)} {place}."
        case "notice":
            return f"The show said {quoted(line.text)} {place}."
        case _:
            return f"{line.speaker} said {quoted(line.text)} {place}."


def _of_silence(transcript: Transcript, line: TranscriptLine, reason: Reason) -> Iterator[str]:
    """The reason, and whether it is one silence or nobody talks at all."""
    yield f"Why: {_problem(reason)}."
    reasons: Counter[str] = Counter()
    spoken = transcript.lines(
        conversation=line.conversation, before_id=line.id, limit=1, kind="friend"
    )
    silences = transcript.lines(
        conversation=line.conversation, before_id=line.id + 1, limit=LOOKED_AT, kind="silence",
        after_id=max((friend.id for friend in spoken), default=0),
    )  # fmt: skip
    for other in reversed(list(silences)):
        reasons[f"{_who(other)}: {why_silent(other)}"] += 1
    if reasons.total() > 1:
        yield f"No friend has spoken for {reasons.total()} turns:"
        yield from (f"  {_times(count)} {why}" for why, count in reasons.most_common())


def _of_others(transcript: Transcript, line: TranscriptLine, reason: Reason) -> Iterator[str]:
    """What became of a person's line; what a command did; where a notice went."""
    if line.kind == "command":
        known = f"The show answered: {printable(reason.answer)}"
        yield known if reason.answer else "The show's answer was not noted."
        return
    if line.kind == "notice":
        why = f"Why: {_problem(reason)}." if reason.reason else ""
        yield why or "That is a word of the show itself, no friend's."
        return
    if reason.addressed:
        yield f"{line.speaker} addressed {', '.join(reason.addressed)}."
    answers = _answers(transcript, line)
    for answer in answers:
        if answer.kind == "friend":
            yield f"{answer.speaker} answered {quoted(answer.text)} (line {answer.id})."
        elif answer.speaker:
            yield f"{answer.speaker} was to answer (line {answer.id}), but {why_silent(answer)}."
        else:
            yield f"Nobody answers it: {why_silent(answer)}."
    if all(answer.reply_to is None for answer in answers):
        yield "Nobody has answered it yet" + _what_since(transcript, line)


def _answers(transcript: Transcript, line: TranscriptLine) -> list[TranscriptLine]:
    """What friends said to a person's line, and when they failed to, also while it is still
    waiting: then the silence is about it, but no answer."""
    soon = transcript.lines(
        conversation=line.conversation, kind="silence",
        after_id=line.id, before_id=line.id + LOOKED_AT,
    )  # fmt: skip
    tried = [silence for silence in soon if _answered_by(silence) == line.id]
    found = {a.id: a for a in [*tried, *transcript.answers_to(line.id)]}
    return [found[id_] for id_ in sorted(found) if found[id_].kind in ("friend", "silence")]


def _what_since(transcript: Transcript, line: TranscriptLine) -> str:
    since = transcript.kinds_after(line, LOOKED_AT)
    if not since:
        return ", and nothing has happened since: the show is thinking, paused or over."
    said = since["friend"]
    if not said:
        return f"; since then there were {since['silence']} silences and no line of a friend."
    least = "at least " if since.total() == LOOKED_AT else ""
    return f", though friends have said {least}{said} line{'s' * (said != 1)} since."


def _aftermath(transcript: Transcript, line: TranscriptLine) -> Iterator[str]:
    for edit in transcript.edits(line.id):
        yield f"It was changed at {edit.at:%H:%M:%S} from {quoted(edit.old_text)}."
    if line.unsaid:
        yield "It was taken back."
    for reaction in transcript.reactions(line.id):
        yield f"{reaction.author} put {printable(reaction.emoji)} to it."


def _answered_by(line: TranscriptLine) -> int | None:
    turn = Reason.of(line.why).turn
    return turn.answers if turn else None


def why_silent(silence: TranscriptLine) -> str:
    """The reason of a silence, in a few words."""
    return _problem(Reason.of(silence.why))


def _problem(reason: Reason) -> str:
    return printable(reason.reason or "nobody noted why").rstrip(".")


def _who(line: TranscriptLine) -> str:
    return line.speaker or "Everybody"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"

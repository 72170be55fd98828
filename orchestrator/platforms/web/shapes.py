"""What pages are sent, as plain data for JSON. Pure; knows no HTTP and no SQLite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from orchestrator.backstage import Backstage
from orchestrator.cast import Friend
from orchestrator.transcript.reason import FIT, Reason
from orchestrator.transcript.records import Edited, TranscriptLine
from orchestrator.transcript.shown import ShownLine

Json = dict[str, Any]
OWN_STAGE = "web"


def line(shown: ShownLine, own_stage: str) -> Json:
    """A line as pages show it; of one that was taken back only that there was one. `own_stage` is
    how the transcript calls this page."""
    of, stage = shown.line, shown.line.why.get("stage", "")
    return {
        "id": of.id,
        "kind": of.kind,
        "speaker": of.speaker,
        "text": "" if of.unsaid else of.text,
        "at": of.said_at.isoformat(),
        "unsaid": of.unsaid,
        "edited": shown.is_edited,
        "reply_to": of.reply_to,
        "stage": OWN_STAGE if stage == own_stage else str(stage),
        "reactions": [{"emoji": e, "count": n} for e, n in shown.reactions.items()],
    }


def friend(of: Friend, backstage: Backstage) -> Json:
    return {
        "name": of.name,
        "aliases": list(of.aliases),
        "color": of.color,
        "avatar": f"/avatars/{quote(of.name, safe='')}.svg",
        **_state_of(of, backstage),
    }


def command(name: str, help_text: str) -> Json:
    """A command with how it is written, which its help begins with if it takes an argument."""
    usage, _, rest = help_text.partition(": ")
    if not usage.startswith("/"):
        return {"name": name, "help": help_text, "usage": f"/{name}"}
    return {"name": name, "help": rest or help_text, "usage": usage}


def _state_of(of: Friend, backstage: Backstage) -> Json:
    muted = backstage.control.conversation.muted
    return {"state": backstage.friends.state(of.name).kind, "muted": of.name in muted}


def state(backstage: Backstage, lines_per_minute: int) -> Json:
    """What goes on, for all pages."""
    control = backstage.control
    return {
        "running": control.running.is_set(),
        "pace": control.pace,
        "topic": control.conversation.topic,
        "doing": control.actions.doing(),
        "waiting": control.conversation.people_waiting,
        "friends": [{"name": of.name, **_state_of(of, backstage)} for of in backstage.show.friends],
        "lines_per_minute": lines_per_minute,
    }


def why(
    of: TranscriptLine,
    lines: Mapping[int, Json],
    explanation: Sequence[str],
    edits: Sequence[Edited],
) -> Json:
    """How a line came about. `lines` are those that it refers to, in the form of `line`, by id."""
    reason = Reason.of(of.why)
    turn = reason.turn
    return {
        "line": lines[of.id],
        "explanation": list(explanation),
        "phrase": _phrase(reason, lines) if turn and turn.phrase else None,
        "source": turn.source if turn else "",
        "weights": [
            {"name": name, "share": weight.share}
            for name, weight in (turn.weights.items() if turn else ())
        ],
        "candidates": _candidates(reason, is_said=of.kind == "friend"),
        "seed": turn.seed if turn else None,
        "sampling": reason.sampling,
        "model": reason.model.model_dump(),
        "seconds": reason.timings.generate_seconds,
        "at": of.said_at.isoformat(),
        "edits": [{"old_text": edit.old_text, "at": edit.at.isoformat()} for edit in edits],
    }


def origin_of_phrase(reason: Reason) -> int | None:
    """The line that the phrase of a turn stands in; older shows noted only what was answered."""
    turn = reason.turn
    if turn is None or not turn.phrase or turn.source in ("topic", "wish"):
        return None
    return turn.answers if turn.phrase_from is None else turn.phrase_from


def _phrase(reason: Reason, lines: Mapping[int, Json]) -> Json:
    """The phrase, and where it stands. A line may have been changed since: then it is not
    there any more, and start and end are null."""
    assert reason.turn is not None
    phrase, origin = reason.turn.phrase, origin_of_phrase(reason)
    found: Json = {"text": phrase, "from_line": None, "start": None, "end": None}
    if origin is None or origin not in lines:
        return found
    found["from_line"] = lines[origin]
    text = lines[origin]["text"]
    # Not casefolded, which may change how long a text is.
    place = text.lower().find(phrase.lower()) if len(text.lower()) == len(text) else -1
    place = place if place >= 0 else text.find(phrase)
    return found if place < 0 else found | {"start": place, "end": place + len(phrase)}


def _candidates(reason: Reason, *, is_said: bool) -> list[list[Json]]:
    """By attempt; the first of all that was fit is the one that was said."""
    found: list[list[Json]] = []
    for attempt in reason.attempts:
        found.append([])
        for candidate in attempt:
            is_chosen = is_said and candidate.verdict == FIT
            is_said = is_said and not is_chosen
            found[-1].append(
                {
                    "text": candidate.text,
                    "verdict": candidate.verdict,
                    "chosen": is_chosen,
                    "logprob": candidate.score,
                }
            )
    return found

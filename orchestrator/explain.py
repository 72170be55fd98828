"""Why a line was said, or why nobody says anything, in plain words, from the transcript alone.

Knows nothing of the conversation that goes on; copes with reasons of which parts are missing,
as older shows wrote less.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from statistics import median

from orchestrator.errors import OrchestratorError
from orchestrator.reason import FIT, Reason, TurnReason, Weight
from orchestrator.transcript import Transcript
from orchestrator.transcript_records import TranscriptLine

ABOUT_PERCENT = 20
"""A factor that far from the others' median is worth a word."""
LOOKED_BACK = 200
"""Lines in which the last one that is worth explaining is looked for."""
SHOWN_PHRASES = 6
HASH_LETTERS = 12

FACTORS = {
    "learnt": ("often comes next here in the export", "seldom comes next here in the export"),
    "talkativeness": ("is talkative", "is quiet"),
    "mention": ("was named", ""),
    "rest": ("has not spoken for a while", "has just spoken"),
    "hour": ("is usually about at this hour", "is seldom about at this hour"),
}
"""What each weight means when it is above, and when it is below the others'."""

SAMPLING = {
    "temperature": ("temperature {}", None),
    "top_k": ("top-k {}", 0),
    "top_p": ("top-p {}", 1.0),
    "repetition_penalty": ("repetition penalty {}", 1.0),
    "no_repeat_ngram": ("no {} tokens twice", 0),
    "max_tokens": ("{} tokens at most", None),
}
"""How the settings are called, and the value at which they do nothing."""

SOURCES = {
    "person": "what a person said",
    "topic": "what somebody wished for",
    "line": "the line before",
    "fresh": "something new; a new topic was due, so no earlier line was shown to the model",
    "free": "nothing in particular; it goes on from the last lines",
}
"""What a turn without a phrase is about."""


def wanted_line(transcript: Transcript, which: str) -> TranscriptLine:
    """The line that is meant: its number, or "last" for the last line or silence. Raises
    OrchestratorError, which says what there is."""
    if which.casefold() == "last":
        for line in reversed(list(transcript.lines(limit=LOOKED_BACK))):
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
            f"There is no line {number}; botconvo transcript --jsonl shows all with their ids."
        )
    return line_found


def in_one_sentence(transcript: Transcript, line: TranscriptLine) -> str:
    """Who, why this friend, and about what: for a chat, where more would be in the way."""
    reason = Reason.of(line.why)
    turn = reason.turn or TurnReason()
    because = f": {_printable(turn.chosen_because)}" if turn.chosen_because else ""
    if line.kind == "friend":
        return f"{line.speaker} said {_quoted(line.text)}{because}; {_about(turn)}."
    if line.kind == "silence":
        return f"{_who(line)} stayed silent{because}; {why_silent(line)}."
    return " ".join([_heading(line), *_of_others(transcript, line, reason)])


def explain(transcript: Transcript, line: TranscriptLine) -> str:
    """Several lines of plain text, each a sentence or an item of a list."""
    reason = Reason.of(line.why)
    turn = reason.turn
    parts = [_heading(line)]
    if line.kind == "silence":
        parts += _of_silence(transcript, line, reason)
    elif line.kind != "friend":
        parts += _of_others(transcript, line, reason)
    if turn is not None:
        parts += _why_this_friend(line, turn)
        parts += _what_about(transcript, turn)
    parts += _candidates(line, reason)
    parts += _how(reason)
    parts += _aftermath(transcript, line)
    return "\n".join(parts)


def _heading(line: TranscriptLine) -> str:
    place = f"(line {line.id}, {line.said_at:%Y-%m-%d %H:%M:%S})"
    match line.kind:
        case "silence":
            return f"{_who(line)} stayed silent {place}."
        case "command":
            return f"{line.speaker} gave the command {_quoted(line.text)} {place}."
        case "notice":
            return f"The show said {_quoted(line.text)} {place}."
        case _:
            return f"{line.speaker} said {_quoted(line.text)} {place}."


def _of_silence(transcript: Transcript, line: TranscriptLine, reason: Reason) -> Iterator[str]:
    """The reason, and whether it is one silence or nobody talks at all."""
    yield f"Why: {_problem(reason)}."
    reasons: Counter[str] = Counter()
    before = transcript.lines(
        conversation=line.conversation, before_id=line.id + 1, limit=LOOKED_BACK
    )
    for other in reversed(list(before)):
        if other.kind == "friend":
            break
        if other.kind == "silence":
            reasons[f"{_who(other)}: {why_silent(other)}"] += 1
    if reasons.total() > 1:
        yield f"No friend has spoken for {reasons.total()} turns:"
        yield from (f"  {_times(count)} {why}" for why, count in reasons.most_common())


def _why_this_friend(line: TranscriptLine, turn: TurnReason) -> Iterator[str]:
    if turn.chosen_because:
        yield f"Why it was {line.speaker}'s turn: {_printable(turn.chosen_because)}."
    if len(turn.weights) < 2:
        return
    names = sorted(turn.weights, key=lambda name: -turn.weights[name].share)
    runner_up = next(name for name in names if name != line.speaker)
    yield f"The runner-up was {runner_up}. The chances were:"
    for name in names:
        words = ", ".join(_factor_words(turn.weights[name], turn.weights))
        yield f"  {turn.weights[name].share:4.0%} {name}{': ' if words else ''}{words}"


def _factor_words(weight: Weight, all_weights: Mapping[str, Weight]) -> Iterator[str]:
    """What sets a friend apart from most who could have spoken."""
    for factor, (above, below) in FACTORS.items():
        values: list[float] = [getattr(other, factor) for other in all_weights.values()]
        usual, own = median(values), getattr(weight, factor)
        if own * 100 > usual * (100 + ABOUT_PERCENT):
            yield above
        elif below and own * 100 < usual * (100 - ABOUT_PERCENT):
            yield below


def _what_about(transcript: Transcript, turn: TurnReason) -> Iterator[str]:
    if turn.phrase:
        begin = ", and the line was to begin with it" if turn.begin_with_phrase else ""
        yield f"About: {_quoted(turn.phrase)}, {_origin(transcript, turn)}{begin}."
        others = [o.phrase for o in turn.phrases if o.phrase not in ("", turn.phrase)]
        if others:
            more = ", ..." if len(others) > SHOWN_PHRASES else ""
            yield f"There was also: {', '.join(map(_quoted, others[:SHOWN_PHRASES]))}{more}."
    elif turn.source in SOURCES:
        yield f"About {SOURCES[turn.source]}."
    answered = transcript.line(turn.answers) if turn.answers is not None else None
    if answered is not None and not (turn.phrase and turn.phrase_from in (None, answered.id)):
        yield f"In answer to: {answered.speaker}: {_printable(answered.text)} (line {answered.id})"
    if turn.lines:
        count = len(turn.lines)
        more = f"{count} lines, from line {min(turn.lines)} on" if count > 1 else "one line"
        yield f"Shown to the model: {more}."


def _origin(transcript: Transcript, turn: TurnReason) -> str:
    # Older shows did not note the line, but took the phrase from the one that they answered.
    origin = turn.phrase_from
    if origin is None and turn.source != "topic":
        origin = turn.answers
    if origin is None:
        return "which somebody wished for" if turn.source == "topic" else "from earlier lines"
    line = transcript.line(origin)
    if line is None:
        return "from a line that is not there any more"
    return f"from line {line.id}, {line.speaker}: {_quoted(line.text)}"


def _candidates(line: TranscriptLine, reason: Reason) -> Iterator[str]:
    attempts = [attempt for attempt in reason.attempts if attempt]
    if not attempts:
        return
    count = sum(map(len, attempts))
    draws = f" in {len(attempts)} draws" if len(attempts) > 1 else ""
    yield f"{count} candidate{'s' * (count != 1)}{draws}, in the order of preference:"
    is_said = line.kind != "friend"
    for candidate in itertools.chain(*attempts):
        fate = f"dropped, {_printable(candidate.verdict or 'nobody noted why')}"
        if candidate.verdict == FIT:
            fate, is_said = "not needed" if is_said else "said", True
        score = f" [{candidate.score:.2f}]" if candidate.score is not None else ""
        yield f"  {_quoted(candidate.text)}{score}: {fate}"


def _how(reason: Reason) -> Iterator[str]:
    sampling, model, timings = reason.sampling, reason.model, reason.timings
    settings = ", ".join(
        words.format(sampling[key])
        for key, (words, off) in SAMPLING.items()
        if sampling.get(key, off) not in (off, None)
    )
    seed = reason.turn.seed if reason.turn else None
    if seed is not None or settings:
        drawn = f"Drawn with seed {seed}" if seed is not None else "Drawn"
        yield f"{drawn}{': ' if settings else ''}{settings}."
    parts = [model.name, f"hash {model.hash[:HASH_LETTERS]}" if model.hash else "", model.url]
    if any(parts):
        yield f"Model: {', '.join(_printable(part) for part in parts if part)}."
    took = [
        f"{seconds:.1f} s {words}"
        for seconds, words in (
            (timings.generate_seconds, "to write it"), (timings.pause_seconds, "of pause"),
        )
        if seconds is not None
    ]  # fmt: skip
    if took:
        yield f"It took {' and '.join(took)}."


def _of_others(transcript: Transcript, line: TranscriptLine, reason: Reason) -> Iterator[str]:
    """What became of a person's line; what a command did; where a notice went."""
    if line.kind == "command":
        known = f"The show answered: {_printable(reason.answer)}"
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
            yield f"{answer.speaker} answered {_quoted(answer.text)} (line {answer.id})."
        elif answer.speaker:
            yield f"{answer.speaker} was to answer (line {answer.id}), but {why_silent(answer)}."
        else:
            yield f"Nobody answers it: {why_silent(answer)}."
    if all(answer.reply_to is None for answer in answers):
        yield "Nobody has answered it yet" + _what_since(transcript, line)


def _answers(transcript: Transcript, line: TranscriptLine) -> list[TranscriptLine]:
    """What friends said to a person's line, and when they failed to, also while it is still
    waiting: then the silence is about it, but no answer."""
    soon = itertools.islice(
        transcript.lines(conversation=line.conversation, after_id=line.id), LOOKED_BACK
    )
    tried = [s for s in soon if s.kind == "silence" and _answered_by(s) == line.id]
    found = {a.id: a for a in [*tried, *transcript.answers_to(line.id)]}
    return [found[id_] for id_ in sorted(found) if found[id_].kind in ("friend", "silence")]


def _what_since(transcript: Transcript, line: TranscriptLine) -> str:
    later = transcript.lines(conversation=line.conversation, after_id=line.id)
    since = Counter(other.kind for other in later)
    if not since:
        return ", and nothing has happened since: the show is thinking, paused or over."
    said = since["friend"]
    if not said:
        return f"; since then there were {since['silence']} silences and no line of a friend."
    return f", though friends have said {said} line{'s' * (said != 1)} since."


def _aftermath(transcript: Transcript, line: TranscriptLine) -> Iterator[str]:
    for edit in transcript.edits(line.id):
        yield f"It was changed at {edit.at:%H:%M:%S} from {_quoted(edit.old_text)}."
    if line.unsaid:
        yield "It was taken back."
    for reaction in transcript.reactions(line.id):
        yield f"{reaction.author} put {_printable(reaction.emoji)} to it."


def _answered_by(line: TranscriptLine) -> int | None:
    turn = Reason.of(line.why).turn
    return turn.answers if turn else None


def _about(turn: TurnReason) -> str:
    if turn.phrase:
        return f"about {_quoted(turn.phrase)}"
    return f"about {SOURCES.get(turn.source, 'nothing in particular')}"


def why_silent(silence: TranscriptLine) -> str:
    """The reason of a silence, in a few words."""
    return _problem(Reason.of(silence.why))


def _problem(reason: Reason) -> str:
    return _printable(reason.reason or "nobody noted why").rstrip(".")


def _who(line: TranscriptLine) -> str:
    return line.speaker or "Everybody"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _quoted(text: str) -> str:
    return f'"{_printable(text)}"'


def _printable(text: str) -> str:
    """On one line and without control characters: a model must not move the cursor."""
    return "".join(c if c.isprintable() else " " for c in text)

"""How a turn came about, in plain words: who was chosen, about what, what the model proposed, and
how that was drawn. Knows only friends' turns; copes with reasons of which parts are missing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from statistics import median
from typing import Protocol

from orchestrator.transcript.reason import FIT, Reason, TurnReason, Weight
from orchestrator.transcript.records import TranscriptLine, printable

ABOUT_PERCENT = 20
"""A factor that far from the others' median is worth a word."""
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


class Lines(Protocol):
    """Where lines are looked up by their number: the transcript, or a talk that is not kept."""

    def line(self, line_id: int) -> TranscriptLine | None: ...


def of_turn(transcript: Lines, line: TranscriptLine, reason: Reason) -> Iterator[str]:
    """Sentences and items of lists on the turn that ended in this line or silence."""
    if reason.turn is not None:
        yield from _why_this_friend(line, reason.turn)
        yield from _what_about(transcript, reason.turn)
    yield from _candidates(line, reason)
    yield from _how(reason)


def about(turn: TurnReason) -> str:
    """What a turn is about, in a few words."""
    if turn.phrase:
        return f"about {quoted(turn.phrase)}"
    return f"about {SOURCES.get(turn.source, 'nothing in particular')}"


def _why_this_friend(line: TranscriptLine, turn: TurnReason) -> Iterator[str]:
    if turn.chosen_because:
        yield f"Why it was {line.speaker}'s turn: {printable(turn.chosen_because)}."
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


def _what_about(transcript: Lines, turn: TurnReason) -> Iterator[str]:
    if turn.phrase:
        begin = ", and the line was to begin with it" if turn.begin_with_phrase else ""
        yield f"About: {quoted(turn.phrase)}, {_origin(transcript, turn)}{begin}."
        others = [o.phrase for o in turn.phrases if o.phrase not in ("", turn.phrase)]
        if others:
            more = ", ..." if len(others) > SHOWN_PHRASES else ""
            yield f"There was also: {', '.join(map(quoted, others[:SHOWN_PHRASES]))}{more}."
    elif turn.source in SOURCES:
        yield f"About {SOURCES[turn.source]}."
    answered = transcript.line(turn.answers) if turn.answers is not None else None
    if answered is not None and not (turn.phrase and turn.phrase_from in (None, answered.id)):
        yield f"In answer to: {answered.speaker}: {printable(answered.text)} (line {answered.id})"
    if turn.lines:
        count = len(turn.lines)
        more = f"{count} lines, from line {min(turn.lines)} on" if count > 1 else "one line"
        yield f"Shown to the model: {more}."


def _origin(transcript: Lines, turn: TurnReason) -> str:
    # Older shows did not note the line, but took the phrase from the one that they answered.
    origin = turn.phrase_from
    if origin is None and turn.source != "topic":
        origin = turn.answers
    if origin is None:
        return "which somebody wished for" if turn.source == "topic" else "from earlier lines"
    line = transcript.line(origin)
    if line is None:
        return "from a line that is not there any more"
    return f"from line {line.id}, {line.speaker}: {quoted(line.text)}"


def _candidates(line: TranscriptLine, reason: Reason) -> Iterator[str]:
    attempts = [attempt for attempt in reason.attempts if attempt]
    if not attempts:
        return
    count = sum(map(len, attempts))
    draws = f" in {len(attempts)} draws" if len(attempts) > 1 else ""
    yield f"{count} candidate{'s' * (count != 1)}{draws}, in the order of preference:"
    is_said = line.kind != "friend"
    for candidate in itertools.chain(*attempts):
        fate = f"dropped, {printable(candidate.verdict or 'nobody noted why')}"
        if candidate.verdict == FIT:
            fate, is_said = "not needed" if is_said else "said", True
            if count := candidate.made_up_words:
                fate += f", with {count} made-up word{'s' * (count != 1)}"
        score = f" [{candidate.score:.2f}]" if candidate.score is not None else ""
        yield f"  {quoted(candidate.text)}{score}: {fate}"


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
        yield f"Model: {', '.join(printable(part) for part in parts if part)}."
    took = [
        f"{seconds:.1f} s {words}"
        for seconds, words in (
            (timings.generate_seconds, "to write it"), (timings.pause_seconds, "of pause"),
        )
        if seconds is not None
    ]  # fmt: skip
    if took:
        yield f"It took {' and '.join(took)}."


def quoted(text: str) -> str:
    return f'"{printable(text)}"'

"""Which of several continuations is the answer: stop, cut, judge, rank. Pure.

The rule: candidates that are fit to be said come first; among them those that ended by
themselves, then those that take up the phrase, then by the chosen preference. The rest
keep their place at the end, each with the reason why it lost.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from model_server.checkpoint_format import END_OF_TEXT, START_OF_TEXT, Codec, Manifest, one_line
from model_server.engines import Continuation, StopReason
from model_server.prompting import Prompt

Preference = Literal["likeliest", "longest"]

FIT = "fit"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
SHORTEST_PHRASE_WORD = 3
SHORTEST_REPEATED_SENTENCE = 2
"""In words; "no. no." is what people say."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A continuation as text. `verdict` is "fit" or why it must not be said; `score` is the
    mean log-probability of its tokens in nats."""

    text: str
    verdict: str
    finish_reason: Literal["stop", "length"]
    score: float
    tokens: int

    @property
    def is_fit(self) -> bool:
        return self.verdict == FIT


@dataclass(frozen=True, slots=True)
class Policy:
    """What counts as an answer."""

    banned_words: tuple[str, ...] = ()
    max_chars: int = 400
    preference: Preference = "likeliest"


def choose(
    continuations: Sequence[Continuation],
    prompt: Prompt,
    phrase: str,
    codec: Codec,
    manifest: Manifest,
    policy: Policy,
) -> list[Candidate]:
    """All continuations as candidates, the best first."""
    found = [_candidate(c, prompt, codec, manifest, policy) for c in continuations]
    words = _words(phrase)

    def rank(candidate: Candidate) -> tuple[bool, bool, bool, float]:
        liking = candidate.score if policy.preference == "likeliest" else len(candidate.text)
        return (
            candidate.is_fit,
            candidate.finish_reason == "stop",
            bool(words & _words(candidate.text)),
            liking,
        )

    return sorted(found, key=rank, reverse=True)


def _candidate(
    continuation: Continuation, prompt: Prompt, codec: Codec, manifest: Manifest, policy: Policy
) -> Candidate:
    text, ended = answer_text(codec, manifest, continuation.ids, continuation.stopped)
    joined = f"{prompt.opening}{text}" if prompt.opening else text
    clean = one_line(joined)[: policy.max_chars]
    count = max(1, len(continuation.logprobs))
    return Candidate(
        text=clean,
        verdict=_verdict(one_line(text), clean, manifest, policy),
        finish_reason="stop" if ended else "length",
        score=sum(continuation.logprobs) / count,
        tokens=len(continuation.ids),
    )


def answer_text(
    codec: Codec, manifest: Manifest, ids: Sequence[int], stopped: StopReason
) -> tuple[str, bool]:
    """The text up to the first stop marker, whole characters only, and whether it ended by
    itself. Markers are looked for in bytes, so one that is spread over tokens or follows
    bytes that are no UTF-8 is found too."""
    data = b"".join(map(codec.token_bytes, ids))
    markers = {START_OF_TEXT, END_OF_TEXT, *([manifest.stop] if manifest.stop else [])}
    cuts = [place for marker in markers if (place := data.find(marker.encode())) >= 0]
    ended = bool(cuts) or stopped == "stop"
    text = data[: min(cuts, default=len(data))].decode("utf-8", errors="replace")
    return text.rstrip(REPLACEMENT), ended


def _verdict(new_text: str, whole: str, manifest: Manifest, policy: Policy) -> str:
    if not re.search(r"\w|[^\x00-\x7f]", new_text):
        return "empty"
    if REPLACEMENT in whole:
        return "broken characters"
    if any(f"{name}:" in whole for name in manifest.known_speakers):
        return "speaks for somebody"
    if _repeats_itself(whole):
        return "repeats itself"
    lowered = whole.casefold()
    for word in policy.banned_words:
        if re.search(rf"(?<!\w){re.escape(word.casefold())}(?!\w)", lowered):
            return f"banned word: {word}"
    return FIT


def _repeats_itself(text: str) -> bool:
    """Whether a word (no mere "no") stands three times in a row, or a sentence twice: what
    small models fall into where people do not."""
    words = re.findall(r"\w+", text.casefold())
    triples = zip(words, words[1:], words[2:], strict=False)
    if any(a == b == c and len(a) >= SHORTEST_PHRASE_WORD for a, b, c in triples):
        return True
    sentences = [s.strip() for s in re.split(r"[.!?,;]+", text.casefold())]
    long = [s for s in sentences if len(s.split()) >= SHORTEST_REPEATED_SENTENCE]
    return len(long) > len(set(long))


def _words(text: str) -> set[str]:
    found = re.findall(r"\w+", text.casefold())
    return {word for word in found if len(word) >= SHORTEST_PHRASE_WORD}

"""Which of several continuations is the answer: stop, cut, judge, rank. Pure.

The rule: candidates that are fit to be said come first; among them those with the fewest
made-up words, then those that ended by themselves, then those that take up the phrase, then by
the chosen preference. The rest keep their place at the end, each with the reason why it lost.
A made-up word is no such reason: it is what small models do, and better than silence.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from finetune.markup import without_private_data
from model_server.checkpoint_format import (
    END_OF_TEXT,
    START_OF_TEXT,
    Codec,
    Manifest,
    line_digest,
    one_line,
)
from model_server.engines import Continuation, StopReason
from model_server.known_words import KnownWords
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
    continuation: Continuation
    made_up_words: int = 0
    """How many of its words nobody uses (`KnownWords`)."""

    @property
    def is_fit(self) -> bool:
        return self.verdict == FIT


@dataclass(frozen=True, slots=True)
class Policy:
    """What counts as an answer."""

    banned_words: tuple[str, ...] = ()
    max_chars: int = 400
    preference: Preference = "likeliest"
    guards_private_data: bool = True
    training_lines: Collection[bytes] = frozenset()
    """Digests of the lines that the model was trained on (`line_digest`)."""
    training_words: Collection[bytes] = frozenset()
    """The same of its words (`word_digest`); without any, no word is taken for made up."""


def judge(
    continuations: Sequence[Continuation],
    prompt: Prompt,
    codec: Codec,
    manifest: Manifest,
    policy: Policy,
    stops: Sequence[str] = (),
) -> list[Candidate]:
    """All continuations as candidates, each with its verdict, in their order. `stops` end an
    answer as the manifest's own marker does."""
    markers = markers_of(manifest, stops)
    judged = [_candidate(c, prompt, codec, manifest, policy, markers) for c in continuations]
    if not policy.training_words:
        return judged
    heard = (codec.decode(prompt.ids), prompt.phrase, *manifest.known_speakers)
    known = KnownWords(codec, policy.training_words, heard)
    return [replace(c, made_up_words=len(known.made_up(c.text))) for c in judged]


def ranked(candidates: Sequence[Candidate], phrase: str, policy: Policy) -> list[Candidate]:
    """The best first, by the rule above."""
    words = _words(phrase)

    def rank(candidate: Candidate) -> tuple[bool, int, bool, bool, float]:
        liking = candidate.score if policy.preference == "likeliest" else len(candidate.text)
        return (
            candidate.is_fit,
            -candidate.made_up_words,
            candidate.finish_reason == "stop",
            bool(words & _words(candidate.text)),
            liking,
        )

    return sorted(candidates, key=rank, reverse=True)


def _candidate(
    continuation: Continuation,
    prompt: Prompt,
    codec: Codec,
    manifest: Manifest,
    policy: Policy,
    markers: Sequence[bytes],
) -> Candidate:
    text, ended = answer_text(codec, markers, continuation.ids, continuation.stopped)
    joined = f"{prompt.opening}{text}" if prompt.opening else text
    clean = one_line(joined)[: policy.max_chars]
    count = max(1, len(continuation.logprobs))
    return Candidate(
        text=text if prompt.is_raw else clean,
        verdict=_verdict(one_line(text), clean, manifest, policy),
        finish_reason="stop" if ended else "length",
        score=sum(continuation.logprobs) / count,
        continuation=continuation,
    )


def markers_of(manifest: Manifest, stops: Sequence[str] = ()) -> tuple[bytes, ...]:
    """All texts that end an answer, whatever style the checkpoint is of."""
    texts = (START_OF_TEXT, END_OF_TEXT, manifest.stop, *stops)
    return tuple(dict.fromkeys(text.encode() for text in texts if text))


def answer_text(
    codec: Codec, markers: Sequence[bytes], ids: Sequence[int], stopped: StopReason
) -> tuple[str, bool]:
    """The text up to the first stop marker, whole characters only, and whether it ended by
    itself. Markers are looked for in bytes, so one that is spread over tokens or follows
    bytes that are no UTF-8 is found too."""
    data = b"".join(map(codec.token_bytes, ids))
    cut = _first_marker(data, markers)
    text = data[:cut].decode("utf-8", errors="replace")
    return text.rstrip(REPLACEMENT), cut is not None or stopped == "stop"


def _first_marker(data: bytes, markers: Sequence[bytes]) -> int | None:
    """Where the first of them begins, if there is any."""
    return min((place for m in markers if (place := data.find(m)) >= 0), default=None)


class TextStream:
    """The text of tokens that come one by one, joined the same as what `judge` makes of all of
    them: never half a character, nothing of a marker, no more white space than a line has."""

    def __init__(
        self, codec: Codec, markers: Sequence[bytes], prompt: Prompt, max_chars: int | None = None
    ) -> None:
        self._codec = codec
        self._markers = markers
        self._is_raw = prompt.is_raw
        self._strips = not prompt.is_raw and not prompt.opening
        self._left = None if max_chars is None else max(0, max_chars - len(prompt.opening))
        self._doubtful = ""
        self._untold: list[tuple[int, float]] = []
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = b""
        self.has_ended = False

    def feed(self, token: int, logprob: float) -> str:
        """What can be said for certain after this token; "" if nothing."""
        if self.has_ended:
            return ""
        self._untold.append((token, logprob))
        data = self._held + self._codec.token_bytes(token)
        cut = _first_marker(data, self._markers)
        if cut is not None:
            self.has_ended = True
            self._held = b""
            return self._said(data[:cut])
        begun = max((_begun(data, marker) for marker in self._markers), default=0)
        self._held = data[len(data) - begun :]
        return self._said(data[: len(data) - begun])

    def rest(self) -> str:
        """What was held back and turned out to be no marker, at the end."""
        held, self._held = self._held, b""
        text = self._said(held)
        doubtful = self._doubtful.rstrip(REPLACEMENT)
        self._doubtful = ""
        return text + self._lined(doubtful if self._is_raw else doubtful.rstrip())

    def told(self) -> list[tuple[int, float]]:
        """Tokens and log-probabilities since the last call."""
        untold, self._untold = self._untold, []
        return untold

    def _said(self, data: bytes) -> str:
        text = self._doubtful + self._decoder.decode(data)
        end = len(text)
        while end and (text[end - 1] == REPLACEMENT or self._is_space(text[end - 1])):
            end -= 1  # cut off if the answer ends here
        self._doubtful = text[end:]
        return self._lined(text[:end])

    def _is_space(self, character: str) -> bool:
        return not self._is_raw and character.isspace()

    def _lined(self, text: str) -> str:
        if self._is_raw or not text:
            return text
        line = re.sub(r"\s+", " ", text)
        if self._strips:
            line = line.lstrip()
            self._strips = not line
        if self._left is not None:
            line = line[: self._left]
            self._left -= len(line)
        return line


def _begun(data: bytes, marker: bytes) -> int:
    """How many bytes at the end may be the beginning of the marker."""
    lengths = range(min(len(marker) - 1, len(data)), 0, -1)
    return next((n for n in lengths if data.endswith(marker[:n])), 0)


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
    if policy.guards_private_data:
        _, private = without_private_data(whole)
        if private:
            return f"private data: {min(private)}"
    if line_digest(whole) in policy.training_lines:
        return "stands in the training text"
    return FIT


def _repeats_itself(text: str) -> bool:
    """Whether the words run in a circle, or a sentence stands there twice: what small models fall
    into where people do not."""
    words = re.findall(r"\w+", text.casefold())
    if any(_runs_in_a_circle(words, length) for length in range(1, len(words) // 2 + 1)):
        return True
    sentences = re.split(r"[.!?,;]+", text.casefold())
    spoken = [tuple(re.findall(r"[\w'’]+", sentence)) for sentence in sentences]
    long = [sentence for sentence in spoken if len(sentence) >= SHORTEST_REPEATED_SENTENCE]
    return len(long) > len(set(long))


def _runs_in_a_circle(words: Sequence[str], length: int) -> bool:
    """Whether a circle of so many words goes round twice and begins, with two words, a third time:
    "the back of the back of the back". Of one word, three times are a circle if it is no mere
    "no"."""
    same = 0
    for place, (word, again) in enumerate(zip(words, words[length:], strict=False)):
        same = same + 1 if word == again else 0
        if same < length + min(2, length):
            continue
        is_long_alone = length == 1 and len(word) >= SHORTEST_PHRASE_WORD
        if is_long_alone or len(set(words[place : place + length])) > 1:
            return True
    return False


def _words(text: str) -> set[str]:
    found = re.findall(r"\w+", text.casefold())
    return {word for word in found if len(word) >= SHORTEST_PHRASE_WORD}

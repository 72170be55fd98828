"""What a corpus looks like: chats, friends, who answers whom, and whether it is enough. Pure."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median

from finetune.cleaning import CleanLine
from finetune.dataset import MINIMUM_MESSAGES, CleanCorpus, Session
from model_server.checkpoint_format import Codec

WORD = re.compile(r"[^\W\d_](?:['’]?[^\W_])*")
TYPICAL_WORDS = 8
MINIMUM_WORD_COUNT = 3
MINIMUM_WORD_LETTERS = 3
PRIOR_WORDS = 500.0
"""Weight of the prior of `typical_words`, in words: what everybody says pulls on somebody of whom
we know so much."""
LONGEST_THREADS = 10

OWN_MODEL_TOKENS = 100_000
"""From here on a model of 124 million weights learns a manner of its own from one person's text:
six passes are what it reads in some 300 steps of 2,048 tokens."""
POOL_TOKENS = 4_000
"""Below this even a model that knows the whole group has little to tell this friend by."""
COPYING_TOKENS = 30_000
"""Text that is read through in fewer than 15 steps is soon known by heart."""


@dataclass(frozen=True, slots=True)
class Overview:
    """One chat, or one friend, in figures."""

    name: str
    messages: int
    words: int
    median_length: float
    """In characters."""
    first: datetime
    last: datetime
    hours: tuple[int, ...]
    """Messages by hour of the day, in the zone that they carry."""
    conversations: int
    """Sessions between silences, that this chat had or in which this friend took part."""
    people: dict[str, int]
    """Messages by person, the most talkative first."""


@dataclass(frozen=True, slots=True)
class Enough:
    """Whether a friend's text is enough, in figures and in words."""

    friend: str
    messages: int
    tokens: int
    way: str
    """"own model", "pooled first" or "not enough"."""
    advice: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """All that `stats` tells of the clean lines."""

    chats: list[Overview]
    friends: list[Overview]
    answers: dict[str, dict[str, int]]
    """Who answers whom how often."""
    typical: dict[str, list[str]]
    enough: list[Enough] = field(default_factory=list)


def inspect(corpus: CleanCorpus, codec: Codec) -> Inspection:
    """Figures of all chats and friends of a corpus."""
    by_chat: dict[int, list[Session]] = defaultdict(list)
    by_friend: dict[str, list[Session]] = defaultdict(list)
    for session in corpus.sessions:
        by_chat[session[0].chat_id].append(session)
        for person in dict.fromkeys(line.person for line in session):
            by_friend[person].append(session)
    chats = [overview(found[0][0].chat, found) for found in by_chat.values()]
    friends = [overview(name, found, name) for name, found in by_friend.items()]
    lines = {f.name: [li for s in by_friend[f.name] for li in s if li.person == f.name]
             for f in friends}  # fmt: skip
    by_length = sorted(lines, key=lambda name: -len(lines[name]))
    return Inspection(
        sorted(chats, key=lambda chat: -chat.messages),
        sorted(friends, key=lambda friend: -friend.messages),
        who_answers_whom(corpus.sessions),
        typical_words(lines),
        [is_enough(name, lines[name], codec) for name in by_length],
    )


def overview(name: str, found: Sequence[Session], friend: str | None = None) -> Overview:
    """Figures of these sessions, of one friend's lines in them or of all."""
    lines = [line for s in found for line in s if friend in (None, line.person)]
    hours = Counter(line.sent_at.hour for line in lines)
    people = Counter(line.person for s in found for line in s)
    return Overview(
        name=name,
        messages=len(lines),
        words=sum(len(line.text.split()) for line in lines),
        median_length=median(len(line.text) for line in lines),
        first=min(line.sent_at for line in lines),
        last=max(line.sent_at for line in lines),
        hours=tuple(hours[hour] for hour in range(24)),
        conversations=len(found),
        people=dict(people.most_common()),
    )


def who_answers_whom(found: Iterable[Session]) -> dict[str, dict[str, int]]:
    """How often each person answers each other one: the author of the message that a reply
    names, else whoever spoke before in the session."""
    found = list(found)
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    by_id = {(li.chat_id, li.message_id): li for s in found for li in s if li.message_id}
    for session in found:
        previous: CleanLine | None = None
        for line in session:
            answered = by_id.get((line.chat_id, line.reply_to or ""))
            target = answered or previous
            if target is not None and target.person != line.person:
                answers[line.person][target.person] += 1
            previous = line
    return {person: dict(counts.most_common()) for person, counts in sorted(answers.items())}


def typical_words(lines: dict[str, list[CleanLine]]) -> dict[str, list[str]]:
    """Words that tell each friend from the others, the most telling first.

    Log-odds ratio with an informative Dirichlet prior, ranked by z-score: Monroe, Colaresi and
    Quinn, "Fightin' Words" (2008), equations 16, 18, 22. The prior is everybody's words.
    """
    counts = {
        name: Counter(word for line in found for word in words_of(line.text))
        for name, found in lines.items()
    }
    total: Counter[str] = Counter()
    for count in counts.values():
        total.update(count)
    size = total.total()
    if len(lines) < 2 or not size:
        return {name: [] for name in lines}
    return {name: _telling(count, total, size) for name, count in counts.items()}


def _telling(own: Counter[str], total: Counter[str], size: int) -> list[str]:
    own_size = own.total()
    others_size = size - own_size
    scores: dict[str, float] = {}
    for word, count in own.items():
        if count < MINIMUM_WORD_COUNT or len(word) < MINIMUM_WORD_LETTERS:
            continue
        prior = PRIOR_WORDS * total[word] / size
        others = total[word] - count
        here = math.log((count + prior) / (own_size + PRIOR_WORDS - count - prior))
        there = math.log((others + prior) / (others_size + PRIOR_WORDS - others - prior))
        scores[word] = (here - there) / math.sqrt(1 / (count + prior) + 1 / (others + prior))
    best = sorted(scores, key=lambda word: (-scores[word], word))
    return [word for word in best if scores[word] > 0][:TYPICAL_WORDS]


def words_of(text: str) -> list[str]:
    """The words of a text in lower case."""
    return WORD.findall(text.casefold())


def is_enough(name: str, lines: Sequence[CleanLine], codec: Codec) -> Enough:
    """What a friend's text is good for, and what to beware of."""
    tokens = sum(len(ids) + 1 for ids in codec.encode_batch([line.text for line in lines]))
    if len(lines) < MINIMUM_MESSAGES or tokens < POOL_TOKENS:
        way = "not enough"
        advice = (
            f"{len(lines)} messages are too few to learn from; import more of {name}'s chats, or "
            "take somebody who writes more."
        )
    elif tokens < OWN_MODEL_TOKENS:
        way = "pooled first"
        share = tokens / OWN_MODEL_TOKENS
        advice = (
            f"That is {share:.0%} of what a model of 124 million weights wants of one person, so "
            f"let it learn from everybody first (--pool), then from {name}."
        )
    else:
        way = "own model"
        advice = f"That is plenty: {name} can have a model that learns from nobody else."
    if way != "not enough":
        advice += f" Risk of quoting {name} word for word: {_risk(tokens)}."
    return Enough(name, len(lines), tokens, way, advice)


def _risk(tokens: int) -> str:
    if tokens < COPYING_TOKENS:
        return "high, so leave the early stop on"
    if tokens < OWN_MODEL_TOKENS:
        return "middling"
    return "low"

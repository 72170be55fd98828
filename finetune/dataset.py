"""From the corpus to clean sessions in three parts: to learn from, to validate on, to test on.

The parts are divided by date, the same dates for everybody: what a pooled model has read must
not be what a friend is tested on.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from finetune.cleaning import CleaningReport, CleanLine, clean
from finetune.corpus import Corpus
from finetune.errors import NoSuchFriend, TooLittleText
from finetune.people import no_such_person
from finetune.selection import EVERYTHING, Selection

EVERYBODY = "everybody"
"""Who a pooled model speaks as, and what it is called."""
SESSION_GAP = timedelta(hours=1)
"""A silence longer than this begins a new session."""
MINIMUM_MESSAGES = 100
"""Below this a model learns nothing but to repeat: too few even for one validation window."""
HELD_OUT_SHARE = 0.1
"""The newest part of all lines; the older half of it validates, the newer half tests."""
UNDATED_BEFORE = datetime(1980, 1, 1, tzinfo=UTC)
"""Before anybody chatted: the times of lines whose file tells none begin in 1970."""
STITCH_BEYOND = 3
"""An answer to something further back than so many lines gets that line shown again before it."""

Session = tuple[CleanLine, ...]


@dataclass(frozen=True, slots=True)
class Friend:
    """A person of the corpus with the usable lines that they wrote."""

    name: str
    lines: int


@dataclass(frozen=True, slots=True)
class Parts:
    """Sessions before `validation_from`, from then on, and from `test_from` on."""

    training: tuple[Session, ...]
    validation: tuple[Session, ...]
    test: tuple[Session, ...]
    validation_from: datetime
    test_from: datetime

    def named(self) -> dict[str, tuple[Session, ...]]:
        return {"training": self.training, "validation": self.validation, "test": self.test}


@dataclass(frozen=True)
class CleanCorpus:
    """All lines that survive cleaning, in sessions, and what became of the rest."""

    sessions: tuple[Session, ...]
    report: CleaningReport = field(default_factory=CleaningReport)
    selection: Selection = EVERYTHING
    kept_rules: tuple[str, ...] = ()
    """Cleaning rules that were switched off."""

    @classmethod
    def read(
        cls, corpus: Corpus, selection: Selection = EVERYTHING, keep: Collection[str] = ()
    ) -> CleanCorpus:
        """Raises FinetuneError if the selection or `keep` names what does not exist."""
        report = CleaningReport()
        lines = clean(corpus.messages(selection), corpus.mention_names(), report, keep)
        return cls(tuple(sessions(lines)), report, selection, tuple(keep))

    def chosen(self) -> dict[str, Any]:
        """What was selected and which rules were off, for a manifest; empty if nothing was."""
        rules = {"kept_rules": list(self.kept_rules)} if self.kept_rules else {}
        return self.selection.as_json() | rules

    @property
    def lines(self) -> Iterator[CleanLine]:
        return (line for session in self.sessions for line in session)

    def friends(self) -> list[Friend]:
        """Everybody who wrote, the one with most lines first."""
        counts = Counter(line.person for line in self.lines)
        return [Friend(name, count) for name, count in counts.most_common()]

    def friend(self, name: str) -> Friend:
        """The person of this name, written in any case. Raises NoSuchFriend."""
        friends = self.friends()
        for friend in friends:
            if friend.name.casefold() == name.casefold():
                return friend
        raise NoSuchFriend(no_such_person(name, [friend.name for friend in friends]))

    @cached_property
    def parts(self) -> Parts:
        """Divided so that the newest lines, by date, are held out. Lines of files that tell no
        times are divided by their order. Raises TooLittleText if there is nothing to divide."""
        count = sum(len(session) for session in self.sessions)
        if count < MINIMUM_MESSAGES:
            raise TooLittleText(
                f"There are {count} usable messages and training needs {MINIMUM_MESSAGES}; "
                "import more chats, or choose less narrowly."
            )
        undated: dict[int, list[Session]] = defaultdict(list)
        dated: list[Session] = []
        for session in self.sessions:
            is_dated = session[0].sent_at >= UNDATED_BEFORE
            (dated if is_dated else undated[session[0].chat_id]).append(session)
        parts = [_divided(found) for found in (dated, *undated.values()) if found]
        return Parts(
            training=tuple(s for part in parts for s in part.training),
            validation=tuple(s for part in parts for s in part.validation),
            test=tuple(s for part in parts for s in part.test),
            validation_from=parts[0].validation_from,
            test_from=parts[0].test_from,
        )

    def stitched(self, found: Sequence[Session]) -> tuple[Session, ...]:
        """Sessions in which an answer to something far back, or to another session, has that line
        before it once more, marked as repeated."""
        return tuple(tuple(self._stitched(session)) for session in found)

    def _stitched(self, session: Session) -> Iterator[CleanLine]:
        for place, line in enumerate(session):
            answered = self._by_message_id.get((line.chat_id, line.reply_to))
            near = session[max(0, place - STITCH_BEYOND) : place]
            if answered is not None and answered is not line and answered not in near:
                yield replace(answered, repeated=True)
            yield line

    @cached_property
    def _by_message_id(self) -> dict[tuple[int, str | None], CleanLine]:
        return {(line.chat_id, line.message_id): line for line in self.lines if line.message_id}


def sessions(lines: Iterable[CleanLine]) -> Iterator[Session]:
    """Lines in chat and time order, cut where the chat changes or falls silent."""
    current: list[CleanLine] = []
    for line in lines:
        if current and (
            line.chat_id != current[-1].chat_id or line.sent_at - current[-1].sent_at > SESSION_GAP
        ):
            yield tuple(current)
            current = []
        current.append(line)
    if current:
        yield tuple(current)


def _divided(found: Sequence[Session]) -> Parts:
    times = sorted(line.sent_at for session in found for line in session)
    validation = times[int(len(times) * (1 - HELD_OUT_SHARE))]
    test = times[int(len(times) * (1 - HELD_OUT_SHARE / 2))]
    early, rest = divided_at(validation, found)
    return Parts(early, *divided_at(test, rest), validation, test)


def divided_at(
    time: datetime, found: Sequence[Session]
) -> tuple[tuple[Session, ...], tuple[Session, ...]]:
    """Lines before a time and lines from then on; a session that goes on past it is cut."""
    early = (tuple(line for line in s if line.sent_at < time) for s in found)
    late = (tuple(line for line in s if line.sent_at >= time) for s in found)
    return tuple(s for s in early if s), tuple(s for s in late if s)

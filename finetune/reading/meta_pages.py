"""What Facebook's old archive and the later Messenger and Instagram pages have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise

from finetune.message import ChatMessage, ReadOptions, Remark
from finetune.reading.long_dates import long_date, zone_remark
from finetune.reading.source import with_line_feeds

TAIL_BYTES = 65_536
AGAIN = "download the page once more"
"""What to do about a page that broke off."""


class Dates:
    """The dates of one file, and what had to be guessed about their zones."""

    def __init__(self, options: ReadOptions) -> None:
        self._options = options
        self._zones: Counter[str] = Counter()

    def read(self, text: str) -> datetime:
        """Raises ValueError if there is no possible time in the text."""
        try:
            time, zone = long_date(text)
            time = self._options.aware(time)
            time.astimezone(UTC)
        except (OverflowError, OSError) as error:
            raise ValueError("out of the calendar") from error
        self._zones[zone] += 1
        return time

    def remarks(self) -> Iterator[Remark]:
        for zone in sorted(self._zones):
            if remark := zone_remark(zone):
                yield Remark(remark)


def oldest_first(messages: list[ChatMessage]) -> list[ChatMessage]:
    """The same, turned round if later messages come first. Pages tell minutes, so messages of
    the same minute must keep their order; a page that does not tell is taken as newest first."""
    steps = [
        (later.sent_at > earlier.sent_at) - (later.sent_at < earlier.sent_at)
        for earlier, later in pairwise(messages)
    ]
    return messages[::-1] if sum(steps) <= 0 else messages


def tidy(text: str) -> str:
    """Text of an element without the white space around it, with line ends of one kind."""
    return with_line_feeds(text).replace("\xa0", " ").strip()


def is_whole(end: bytes) -> bool:
    """Whether a page ends as pages do."""
    return b"</html" in end[-200:].lower()

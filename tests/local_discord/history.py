"""The messages of one channel, found by id. It knows of a message only that it has an id that is
greater than those before."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar


class Numbered(Protocol):
    """Anything with an id."""

    id: int


M = TypeVar("M", bound=Numbered)


class History(Generic[M]):
    """The messages of one channel in the order of their ids; lookup and cuts take O(log n)."""

    def __init__(self) -> None:
        self._ids: list[int] = []
        self._by_id: dict[int, M] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[M]:
        return (self._by_id[each] for each in self._ids)

    def add(self, message: M) -> None:
        """Append the newest message."""
        self._ids.append(message.id)
        self._by_id[message.id] = message

    def get(self, message_id: int) -> M | None:
        """The message with this id, if it is still there."""
        return self._by_id.get(message_id)

    def remove(self, message_id: int) -> M | None:
        """Take a message out and give it back; None where there is none."""
        message = self._by_id.pop(message_id, None)
        if message is not None:
            del self._ids[bisect_left(self._ids, message_id)]
        return message

    def before(self, message_id: int | None, limit: int) -> list[M]:
        """The `limit` newest messages older than an id (or of all), oldest first."""
        end = len(self._ids) if message_id is None else bisect_left(self._ids, message_id)
        return [self._by_id[each] for each in self._ids[max(end - limit, 0) : end]]

    def after(self, message_id: int, limit: int | None) -> list[M]:
        """The `limit` oldest messages newer than an id (None: all of them), oldest first."""
        start = bisect_right(self._ids, message_id)
        end = None if limit is None else start + limit
        return [self._by_id[each] for each in self._ids[start:end]]

    def around(self, message_id: int, limit: int) -> list[M]:
        """About `limit` messages with the id in their middle, oldest first."""
        middle = bisect_left(self._ids, message_id)
        start = max(middle - limit // 2, 0)
        return [self._by_id[each] for each in self._ids[start : start + limit]]

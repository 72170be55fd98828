"""What people want of the show: answers to their lines, in the order in which they spoke, then
what they wished for, then a topic for a while. Pure: nothing here is drawn by chance."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, replace

from orchestrator.phrases import PhrasePicker
from orchestrator.talk.turn import SpokenLine

TRIES = 5
"""How often an answer is tried, by the friend who was asked and then by others."""
TOPIC_LINES = 6
"""For how many lines a topic is set if nobody says."""


@dataclass(frozen=True, slots=True)
class Request:
    """A person's line, or a wish (no line) about something; who is still to answer it, () being
    anybody; and who has tried in vain."""

    addressed: tuple[str, ...]
    line: SpokenLine | None = None
    about: str = ""
    failed: tuple[str, ...] = ()

    def is_about(self, line_id: int) -> bool:
        """Whether it is this line that waits."""
        return self.line is not None and self.line.id == line_id

    def best_of(self, able: list[str]) -> list[str]:
        """Those of the able who have not failed; all of them if everybody has."""
        return [name for name in able if name not in self.failed] or able


class Requests:
    """What waits. Who takes a request out says later what became of it: `settled` or `failed`."""

    def __init__(self) -> None:
        self.lines: deque[Request] = deque()
        self.wishes: deque[Request] = deque()
        self._topic, self._topic_lines, self._topic_left = "", 0, 0
        self._taken: Request | None = None
        self._settled: Request | None = None

    def __bool__(self) -> bool:
        is_new = bool(self._topic) and self._topic_left == self._topic_lines
        return bool(self.lines or self.wishes) or is_new

    @property
    def is_any_taken(self) -> bool:
        """Whether something was taken out of which nobody has said yet what became of it."""
        return self._taken is not None

    # --- lines and wishes -------------------------------------------------------------------

    def take_line(self, able: Collection[str]) -> Request:
        """Takes the first line out. If several of those whom it addresses are able, it is for the
        first of them, and the others' turn comes next."""
        first = self.lines.popleft()
        named = tuple(name for name in first.addressed if name in able)
        if len(named) > 1:
            self.lines.appendleft(replace(first, addressed=named[1:], failed=()))
        self._taken = replace(first, addressed=named[:1] or first.addressed[:1])
        return self._taken

    def take_wish(self) -> Request:
        self._taken = self.wishes.popleft()
        return self._taken

    def settled(self) -> None:
        """What was taken out last, if anything was, has been answered."""
        self._settled, self._taken = self._taken, None

    def reopened(self) -> None:
        """The answer that settled the last one did not reach anybody."""
        request, self._settled = self._settled, None
        if request is not None:
            self._put_back(request)

    def failed(self, speaker: str) -> bool:
        """The answer came to nothing. It is tried again: once by the same friend if they were
        addressed, then by others, then no longer. Returns whether it is."""
        request, self._taken = self._taken, None
        if request is None:
            return False
        failed = (*request.failed, speaker)
        if len(failed) >= TRIES:
            return False
        is_again = request.addressed == (speaker,) and failed.count(speaker) == 1
        self._put_back(replace(request, addressed=(speaker,) if is_again else (), failed=failed))
        return True

    def _put_back(self, request: Request) -> None:
        if request.line is None:
            self.wishes.appendleft(request)
            return
        if self.lines and self.lines[0].line == request.line:
            # Others were addressed too: after this one.
            others = self.lines.popleft().addressed
            request = replace(request, addressed=request.addressed + others)
        self.lines.appendleft(request)

    def let_pass(self) -> list[int]:
        """Lines that address nobody wait no longer; returns their ids."""
        waiting = list(self.lines)
        self.lines = deque(request for request in waiting if request.addressed or request.failed)
        return [r.line.id for r in waiting if r not in self.lines and r.line]

    def forget(self, line_id: int) -> None:
        """A person's line is gone, and waits no longer."""
        self.lines = deque(r for r in self.lines if not r.is_about(line_id))
        if self._taken and self._taken.is_about(line_id):
            self._taken = None
        if self._settled and self._settled.is_about(line_id):
            self._settled = None

    def reworded(self, line_id: int, text: str, picker: PhrasePicker) -> None:
        """A person's line reads otherwise now."""

        def reworded(request: Request) -> Request:
            if request.line is None or not request.is_about(line_id):
                return request
            return replace(request, line=request.line.reworded(text, picker))

        self.lines = deque(map(reworded, self.lines))
        self._taken = self._taken and reworded(self._taken)
        self._settled = self._settled and reworded(self._settled)

    # --- the topic --------------------------------------------------------------------------

    @property
    def topic(self) -> str:
        """What people have set, while it lasts."""
        return self._topic

    def set_topic(self, topic: str, lines: int) -> None:
        self._topic, self._topic_lines, self._topic_left = topic, lines, lines

    def use_topic(self) -> tuple[str, float]:
        """The topic for one line more, and how likely that line is about it: 1 for the first one,
        less with each."""
        topic, chance = self._topic, self._topic_left / self._topic_lines
        self._topic_left -= 1
        if self._topic_left <= 0:
            self._topic = ""
        return topic, chance

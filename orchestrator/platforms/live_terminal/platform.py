"""The terminal as a stage with an input line: lines come in above it, and what is typed joins the
conversation; a line that begins with a slash is a command."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta

from orchestrator.backstage import Backstage
from orchestrator.control import HELP
from orchestrator.errors import OrchestratorError, StageLost
from orchestrator.platforms import Capability, Command, Event, PersonLine
from orchestrator.platforms.live_terminal.completion import LineCompleter, Options
from orchestrator.platforms.live_terminal.ink import printable
from orchestrator.platforms.live_terminal.screen import Screen, interrupt
from orchestrator.platforms.terminal_settings import YOU

MINUTE = timedelta(minutes=1)
REMEMBERED = 500
"""Lines whose text is known when they are changed or taken back."""
PACES = ("0.5", "1", "2", "4")
END_OF_INPUT = "The end of the input does not end the show; Ctrl-C does."


class LiveTerminal:
    """A terminal in front of somebody who started the show. What is printed stays: a line that is
    changed or taken back is told of below."""

    name = "terminal"
    capabilities: frozenset[Capability] = frozenset(
        {"typing", "edit", "delete", "relay", "echo", "operator"}
    )

    def __init__(self, colors: Mapping[str, str], author: str = YOU) -> None:
        self._colors = colors
        self._author = author
        self._backstage: Backstage | None = None
        self._shown: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._said_at: deque[datetime] = deque()
        self._screen = Screen(
            LineCompleter(HELP, self._arguments(), self._friends), state=self._state,
            interrupted=interrupt, ended=lambda: self._screen.show_aside(END_OF_INPUT),
        )  # fmt: skip
        self.where = ""
        self.is_read = True
        self.ready = asyncio.Event()
        self.ready.set()

    async def open(self, backstage: Backstage) -> None:
        self._backstage = backstage
        backstage.watch(self._screen.refresh)
        await self._screen.open()

    async def events(self) -> AsyncIterator[Event]:
        while (text := await self._screen.typed.get()) is not None:
            if text.startswith("/"):
                self._screen.show_aside(f"> {printable(text)}")
                name, _, argument = text[1:].partition(" ")
                yield Command(self._author, name.casefold(), argument.strip())
            else:
                # No name that an earlier run has used in the transcript.
                yield PersonLine(f"typed-{uuid.uuid4().hex}", self._author, text)
        raise StageLost("The terminal that the show was started in is gone.")

    # --- what is shown ------------------------------------------------------------------------

    async def say(self, line_id: int, friend: str, text: str) -> str:
        self._count_line()
        return self._show(f"said-{line_id}", friend, friend, text)

    async def relay(self, line_id: int, author: str, text: str, stage: str) -> str:
        place = "" if stage == self.name else f" ({stage.partition(' ')[0]})"
        return self._show(f"said-{line_id}", author, f"{author}{place}", text)

    def _show(self, message_id: str, speaker: str, name: str, text: str) -> str:
        self._remember(message_id, printable(name), printable(text))
        with _lost_with_it():
            self._screen.say(name, self._colors.get(speaker), text)
        return message_id

    def _remember(self, message_id: str, name: str, text: str) -> None:
        self._shown[message_id] = (name, text)
        while len(self._shown) > REMEMBERED:
            self._shown.popitem(last=False)

    async def notice(self, text: str) -> None:
        self._tell("\n".join(map(printable, text.split("\n"))))

    def _tell(self, text: str) -> None:
        with _lost_with_it():
            self._screen.show_aside(text)

    async def typing(self, friend: str) -> None:
        """The line of the state says so as long as it is so."""
        self._screen.refresh()

    async def edit(self, message_id: str, speaker: str, text: str) -> None:
        name, old = self._shown.get(message_id, (printable(speaker), ""))
        text = printable(text)
        self._remember(message_id, name, text)
        instead = f" (instead of: {old})" if old else ""
        self._tell(f"{name}: {text}{instead}")

    async def delete(self, message_id: str) -> None:
        name, old = self._shown.pop(message_id, ("", ""))
        self._tell(f"Taken back: {name}: {old}" if name else "A line is taken back.")

    async def close(self) -> None:
        await self._screen.close()

    # --- what is told and proposed below --------------------------------------------------------

    def _state(self) -> str:
        if self._backstage is None:
            return ""
        control = self._backstage.control
        is_running = control.running.is_set()
        doing = control.actions.doing() if is_running else "paused, /resume goes on"
        parts = [doing or "listening"]
        if control.conversation.topic:
            parts.append(f"topic: {control.conversation.topic}")
        if (rate := self._lines_of_last_minute()) and is_running:
            parts.append(f"{rate}/min")
        if control.pace != 1:
            parts.append(f"pace {control.pace:g}")
        parts += [where.removeprefix("on ") for where in self._backstage.places() if where]
        return printable(" · ".join(parts))

    def _count_line(self) -> None:
        assert self._backstage is not None
        self._said_at.append(self._backstage.now())
        self._lines_of_last_minute()

    def _lines_of_last_minute(self) -> int:
        assert self._backstage is not None
        since = self._backstage.now() - MINUTE
        while self._said_at and self._said_at[0] < since:
            self._said_at.popleft()
        return len(self._said_at)

    def _friends(self) -> Iterable[str]:
        return self._backstage.control.conversation.members if self._backstage else ()

    def _muted(self, *, is_muted: bool) -> Iterable[str]:
        muted = self._backstage.control.conversation.muted if self._backstage else ()
        return [name for name in self._friends() if (name in muted) is is_muted]

    def _topics(self) -> Iterable[str]:
        """What was talked about lately, the newest first."""
        if self._backstage is None:
            return []
        lines = reversed(self._backstage.transcript.last(10))
        picker = self._backstage.picker
        phrases = (p.text for line in lines for p in picker.phrases(line.text))
        return ["off"] * bool(self._backstage.control.conversation.topic) + [
            phrase for phrase in dict.fromkeys(phrases) if re.search(r"\w", phrase)
        ]

    def _last_lines(self) -> Iterable[str]:
        if self._backstage is None:
            return []
        return [str(line.id) for line in reversed(self._backstage.transcript.last(5))]

    def _arguments(self) -> Mapping[str, Options]:
        lines: Callable[[], Iterable[str]] = self._last_lines
        return {
            "ask": lambda: [f"{name} " for name in self._friends()],
            "mute": lambda: self._muted(is_muted=False),
            "unmute": lambda: self._muted(is_muted=True),
            "pace": lambda: PACES,
            "topic": self._topics,
            "why": lines, "again": lines, "oops": lines,
        }  # fmt: skip


@contextmanager
def _lost_with_it() -> Iterator[None]:
    """A terminal that takes no more is gone."""
    try:
        yield
    except OrchestratorError as error:
        raise StageLost(str(error)) from error

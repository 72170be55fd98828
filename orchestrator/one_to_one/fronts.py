"""Where a person talks with a friend: in front of a terminal, or through a pipe."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Protocol

from orchestrator.errors import OrchestratorError
from orchestrator.platforms.live_terminal.ink import dimmed, has_colors, printable
from orchestrator.platforms.terminal import typed_lines


class Front(Protocol):
    """What comes in, and what is shown."""

    is_read: bool
    """Whether somebody sits there: they may be told what they can do, and shown what is not final
    yet."""

    async def open(self) -> None: ...

    def lines(self) -> AsyncIterator[str]:
        """What is typed, until the end of it."""
        ...

    def person(self, name: str, text: str) -> None:
        """Shows what the person said, where it is not to be seen already."""
        ...

    def draft(self, name: str, text: str) -> None:
        """Shows what a friend has written so far, in place of what it showed before; "" takes it
        away."""
        ...

    def friend(self, name: str, color: str, text: str) -> None:
        """Shows a friend's line."""
        ...

    def nothing(self) -> None:
        """Shows that a line has no answer."""
        ...

    def aside(self, text: str) -> None:
        """Tells something that is no part of the talk."""
        ...

    def refresh(self) -> None:
        """Something that is always shown has changed."""
        ...

    async def close(self) -> None: ...


class Pipe:
    """An answer per line on standard output, and nothing else there: the answers alone, empty where
    there was none, so that they can be put beside what was asked."""

    is_read = False

    async def open(self) -> None:
        """Standard input and output are there."""

    def lines(self) -> AsyncIterator[str]:
        return typed_lines(sys.stdin.buffer)

    def person(self, name: str, text: str) -> None:
        """Whoever wrote it knows it."""

    def draft(self, name: str, text: str) -> None:
        """What is written to a pipe cannot be taken away."""

    def friend(self, name: str, color: str, text: str) -> None:
        try:
            sys.stdout.write(f"{printable(text)}\n")
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OrchestratorError(f"Nothing more can be printed ({error.strerror}).") from error

    def nothing(self) -> None:
        self.friend("", "", "")

    def aside(self, text: str) -> None:
        text = "\n".join(map(printable, text.split("\n")))
        sys.stderr.write(f"{dimmed(text) if has_colors(sys.stderr) else text}\n")

    def refresh(self) -> None:
        """Nothing is always shown."""

    async def close(self) -> None:
        """They end with the process."""


class Terminal:
    """An input line at the bottom, and the talk above it."""

    is_read = True

    def __init__(
        self,
        meanings: Mapping[str, str],
        arguments: Mapping[str, Callable[[], Iterable[str]]],
        state: Callable[[], str],
        interrupted: Callable[[], None],
    ) -> None:
        from orchestrator.platforms.live_terminal.completion import LineCompleter
        from orchestrator.platforms.live_terminal.screen import Screen

        completer = LineCompleter(meanings, arguments, tuple)
        self._screen = Screen(
            completer, state=state, interrupted=interrupted,
            ended=lambda: self._screen.typed.put_nowait(None),
        )  # fmt: skip

    async def open(self) -> None:
        await self._screen.open()

    async def lines(self) -> AsyncIterator[str]:
        while (text := await self._screen.typed.get()) is not None:
            yield text

    def draft(self, name: str, text: str) -> None:
        self._screen.draft = f"{printable(name)}: {printable(text)}" if text else ""
        self._screen.refresh()

    def person(self, name: str, text: str) -> None:
        self._screen.say(name, None, text)

    def friend(self, name: str, color: str, text: str) -> None:
        self._screen.say(name, color, text)

    def nothing(self) -> None:
        """The line that tells why is enough."""

    def aside(self, text: str) -> None:
        self._screen.show_aside("\n".join(map(printable, text.split("\n"))))

    def refresh(self) -> None:
        self._screen.refresh()

    async def close(self) -> None:
        await self._screen.close()

"""The terminal, plain: `Name: text` and nothing else on standard output, notices on standard error.
What is typed joins the conversation; a line that begins with a slash is a command. In front of
somebody there is an input line, too: live_terminal."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TextIO

from orchestrator.backstage import Backstage
from orchestrator.errors import StageLost
from orchestrator.platforms import Capability, Command, Event, PersonLine, Platform
from orchestrator.platforms.live_terminal.ink import (
    can_be_live,
    dimmed,
    has_colors,
    in_color,
    printable,
)
from orchestrator.platforms.terminal_settings import YOU

LONGEST_TYPED_LINE = 65_536


def terminal_stage(colors: Mapping[str, str], author: str) -> Platform:
    """The terminal as it is: with an input line where that can be, plain on a pipe. `colors` are
    those of the friends' names, `author` is whoever types."""
    if not can_be_live():
        return TerminalPlatform(colors, author)
    # Only who sees it waits for it.
    from orchestrator.platforms.live_terminal.platform import LiveTerminal

    return LiveTerminal(colors, author)


class TerminalPlatform:
    """Standard input and output. The end of the input does not end the show."""

    name = "terminal"
    capabilities: frozenset[Capability] = frozenset({"relay", "operator"})

    def __init__(
        self,
        colors: Mapping[str, str],
        author: str = YOU,
        *,
        source: BinaryIO | None = None,
        out: TextIO | None = None,
        notices: TextIO | None = None,
    ) -> None:
        self._source = source or sys.stdin.buffer
        self._out = out or sys.stdout
        self._notices = notices or sys.stderr
        self._colored = has_colors(self._out)
        self._colors = colors
        self._author = author
        self.where = ""
        self.ready = asyncio.Event()
        self.ready.set()

    @property
    def is_read(self) -> bool:
        return self._out.isatty()

    async def open(self, backstage: Backstage) -> None:
        """Standard output is there."""

    async def events(self) -> AsyncIterator[Event]:
        async for text in typed_lines(self._source):
            if text.startswith("/"):
                name, _, argument = text[1:].partition(" ")
                yield Command(self._author, name.casefold(), argument.strip())
            elif text:
                # No name that an earlier run has used in the transcript.
                yield PersonLine(f"typed-{uuid.uuid4().hex}", self._author, text)

    async def say(self, line_id: int, friend: str, text: str) -> str:
        name = printable(friend)
        if self._colored:
            name = in_color(name, self._colors.get(friend))
        try:
            print(f"{name}: {printable(text)}", file=self._out, flush=True)
        except BrokenPipeError as error:
            self._end()
            raise StageLost("Whoever read along has left.") from error
        except OSError as error:
            raise StageLost(f"Nothing more can be printed ({error.strerror}).") from error
        return f"said-{line_id}"

    def _end(self) -> None:
        """Ends the program as a pipe without a reader ends others, as in `botconvo run | head`."""
        with Path(os.devnull).open("w") as nowhere:  # what is not written yet is tried at the end
            os.dup2(nowhere.fileno(), self._out.fileno())
        signal.raise_signal(signal.SIGINT)

    async def relay(self, line_id: int, author: str, text: str, stage: str) -> str:
        return await self.say(line_id, f"{author} ({stage.partition(' ')[0]})", text)

    async def notice(self, text: str) -> None:
        text = "\n".join(map(printable, text.split("\n")))
        # In one piece: standard output may go to the same terminal.
        self._notices.write(f"{dimmed(text) if has_colors(self._notices) else text}\n")
        self._notices.flush()

    async def typing(self, friend: str) -> None:
        """A terminal has no sign for it."""

    async def edit(self, message_id: str, speaker: str, text: str) -> None:
        """What is printed stays."""

    async def delete(self, message_id: str) -> None:
        """What is printed stays."""

    async def close(self) -> None:
        """The reading thread ends with the process."""


async def typed_lines(source: BinaryIO) -> AsyncIterator[str]:
    """The lines of a file, a pipe or a keyboard, stripped, as they come, until its end."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str | None] = asyncio.Queue()

    def tell(line: str | None) -> None:
        with suppress(RuntimeError):  # whoever listened has gone
            loop.call_soon_threadsafe(lines.put_nowait, line)

    threading.Thread(target=_read, args=(source, tell), daemon=True).start()
    while (line := await lines.get()) is not None:
        yield line


def _read(source: BinaryIO, tell: Callable[[str | None], None]) -> None:
    # In a thread, since a regular file cannot be waited for; unbuffered reads, since a thread that
    # holds the lock of sys.stdin would stop the interpreter from ending.
    rest = b""
    with suppress(OSError, ValueError):  # no standard input
        number = source.fileno()
        while data := os.read(number, LONGEST_TYPED_LINE):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                tell(line.decode("utf-8", errors="replace").strip())
    if rest:  # a file need not end with the end of a line
        tell(rest.decode("utf-8", errors="replace").strip())
    tell(None)

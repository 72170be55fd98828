"""The terminal: coloured names on a TTY, plain `Name: text` on a pipe. What is typed joins
the conversation; a line that begins with a slash is a command."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import threading
import unicodedata
from collections.abc import AsyncIterator, Mapping
from typing import BinaryIO, TextIO

from orchestrator.backstage import Backstage
from orchestrator.errors import OrchestratorError
from orchestrator.platforms import Capability, Command, Event, PersonLine

ANSI = {
    "red": 31, "green": 32, "yellow": 33, "blue": 34, "magenta": 35, "cyan": 36, "white": 37,
}  # fmt: skip
YOU = "You"
LONGEST_TYPED_LINE = 65_536
UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Control characters, halves of surrogate pairs, and ends of lines and paragraphs. Joiners stay:
many an emoji is made of several."""


class TerminalPlatform:
    """Standard input and output. The end of the input does not end the show."""

    name = "terminal"
    capabilities: frozenset[Capability] = frozenset({"relay", "operator"})

    def __init__(
        self,
        colors: Mapping[str, str],
        *,
        source: BinaryIO | None = None,
        out: TextIO | None = None,
        notices: TextIO | None = None,
    ) -> None:
        self._source = source or sys.stdin.buffer
        self._out = out or sys.stdout
        self._notices = notices or sys.stderr
        self._colored = self._out.isatty() and "NO_COLOR" not in os.environ
        self._colors = colors
        self._typed: asyncio.Queue[str] = asyncio.Queue()
        self._numbers = itertools.count(1)
        self.where = ""
        self.ready = asyncio.Event()
        self.ready.set()

    @property
    def is_read(self) -> bool:
        return self._out.isatty()

    async def open(self, backstage: Backstage) -> None:
        """Standard output is there."""

    async def events(self) -> AsyncIterator[Event]:
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, args=(loop,), daemon=True).start()
        while True:
            text = await self._typed.get()
            if text.startswith("/"):
                name, _, argument = text[1:].partition(" ")
                yield Command(YOU, name.casefold(), argument.strip())
            elif text:
                yield PersonLine(f"typed-{next(self._numbers)}", YOU, text)

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        # A thread, since a regular file cannot be waited for; unbuffered reads, since a
        # thread that holds the lock of sys.stdin would stop the interpreter from ending.
        def tell(line: bytes) -> None:
            text = line.decode("utf-8", errors="replace").strip()
            loop.call_soon_threadsafe(self._typed.put_nowait, text)

        rest = b""
        try:
            number = self._source.fileno()
            while data := os.read(number, LONGEST_TYPED_LINE):
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    tell(line)
            tell(rest)  # a file need not end with the end of a line
        except (OSError, ValueError, RuntimeError):
            # No standard input, or the show has ended meanwhile.
            return

    async def say(self, line_id: int, friend: str, text: str) -> str:
        name = friend
        if self._colored:
            code = ANSI.get(self._colors.get(friend, "white"), 37)
            name = f"\x1b[1;{code}m{friend}\x1b[0m"
        try:
            print(f"{name}: {_printable(text)}", file=self._out, flush=True)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OrchestratorError(f"Nothing more can be printed ({error.strerror}).") from error
        return f"said-{line_id}"

    async def relay(self, line_id: int, author: str, text: str, stage: str) -> str:
        return await self.say(line_id, f"{author} ({stage.partition(' ')[0]})", text)

    async def notice(self, text: str) -> None:
        dim = self._notices.isatty() and "NO_COLOR" not in os.environ
        text = "\n".join(map(_printable, text.split("\n")))
        print(f"\x1b[2m{text}\x1b[0m" if dim else text, file=self._notices, flush=True)

    async def typing(self, friend: str) -> None:
        """A terminal has no sign for it."""

    async def edit(self, message_id: str, speaker: str, text: str) -> None:
        """What is printed stays."""

    async def delete(self, message_id: str) -> None:
        """What is printed stays."""

    async def close(self) -> None:
        """The reading thread ends with the process."""


def _printable(text: str) -> str:
    """Without control characters: a model must not move the cursor or ring the bell."""
    return "".join(c for c in text if unicodedata.category(c) not in UNPRINTABLE)

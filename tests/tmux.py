"""A command in a real terminal: a tmux server of its own, read and driven through tmux's control
mode, which tells of every change, so that nobody has to look again and again.

    async with Terminal(tmux, tmp_path, [sys.executable, "-m", "orchestrator", "chat"]) as terminal:
        await terminal.until("marlow>")
        await terminal.send("hello", "Enter")

Knows nothing about BotConvo. Protocol: tmux(1), CONTROL MODE.
"""

from __future__ import annotations

import asyncio
import os
import shlex
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self, TypeVar

import psutil

T = TypeVar("T")

UNTIL_SECONDS = 20
# Longest line of a reply; a screen's line with all its colours stays far below.
LINE_BYTES = 1 << 20
# (`window-size manual` would crash tmux 3.3a here; `resize-window` sets it.)
SETTINGS = """
set -g default-terminal tmux-256color
set -g escape-time 0
set -g status off
"""
# The command's process and its end are told by the terminal's title, since that comes in one
# stream with the output: who reads of the end has read all that was printed before. tmux's own
# `pane_dead_status` is sometimes empty (3.3a). Signals from the keyboard are for the command.
AROUND = r"""
trap : INT QUIT
trap exit HUP
sh -c 'printf "\033]2;runs %d\007" $$; exec "$@"' -- "$@"
printf "\033]2;ended %d\007" $?
exec cat > /dev/null
"""


class TerminalError(Exception):
    """tmux refused a command, or the wait was in vain; the text has the screen."""


class Terminal:
    """A command in a terminal of a fixed size. The screen stays when the command has ended.

    `environ` is the whole environment of the command; TERM, the size and the locale are set
    here.
    """

    def __init__(
        self,
        tmux: Path,
        folder: Path,
        command: Sequence[str],
        *,
        columns: int = 80,
        rows: int = 24,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        # A socket's path may have 108 bytes only, and pytest's folders are long.
        self._socket = os.path.relpath(folder / "tmux")
        self._settings = folder / "tmux.conf"
        self._tmux = str(tmux)
        self._command = shlex.join(["exec", "sh", "-c", AROUND, "--", *command])
        self._size = (columns, rows)
        self._environ = {**(os.environ if environ is None else environ), "LC_ALL": "C.UTF-8"}
        self._waiting: deque[asyncio.Future[list[str]]] = deque()
        self._changed = asyncio.Event()
        self.pid = 0

    async def __aenter__(self) -> Self:
        columns, rows = self._size
        for name in ("TMUX", "COLUMNS", "LINES"):  # of whoever runs the tests
            self._environ.pop(name, None)
        self._settings.write_text(SETTINGS, encoding="utf-8")
        self._process = await asyncio.create_subprocess_exec(
            self._tmux, "-u", "-S", self._socket, "-f", str(self._settings),
            "-C", "new-session", "-x", str(columns), "-y", str(rows), self._command,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT, env=self._environ, limit=LINE_BYTES,
        )  # fmt: skip
        began = self._next_reply()
        self._reader = asyncio.create_task(self._read())
        try:
            await began
            await self._until(self._begun, "any process", UNTIL_SECONDS)
        except BaseException:
            await self.kill()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    async def send(self, *keys: str) -> None:
        """Presses keys: `Enter`, `C-c`, `PageUp`, `M-b` by tmux's names; all else is typed."""
        await self._ask("send-keys", *keys)

    async def type(self, text: str) -> None:
        """Types the text letter by letter, even if it reads like the name of a key."""
        await self._ask("send-keys", "-l", "--", text)

    async def resize(self, columns: int, rows: int) -> None:
        """The command gets SIGWINCH."""
        await self._ask("resize-window", "-x", str(columns), "-y", str(rows))

    async def screen(self, *, scrolled: bool = False, styled: bool = False) -> str:
        """What is to be seen now, a line per row, without spaces at the ends. `scrolled` has the
        lines that left the screen at the top, too, `styled` the colours as escape sequences."""
        options = ["-S", "-"] * scrolled + ["-e"] * styled
        return "\n".join(await self._ask("capture-pane", "-p", *options)).rstrip("\n")

    async def until(
        self, wanted: str | Callable[[str], bool], *, seconds: float = UNTIL_SECONDS
    ) -> str:
        """The screen, as soon as it shows the text, or the function is true of it.

        Raises TerminalError with the screen if time runs out or the command ends before.
        """

        async def shown() -> str | None:
            code = await self._code()
            screen = await self.screen()
            if wanted in screen if isinstance(wanted, str) else wanted(screen):
                return screen
            if code is not None:
                raise TerminalError(f"ended with {code}, never showed {wanted!r}:\n{screen}")
            return None

        return await self._until(shown, repr(wanted), seconds)

    async def ended(self, *, seconds: float = UNTIL_SECONDS) -> int:
        """Waits for the command's end; its exit code as a shell sees it: 128 + a signal."""
        return await self._until(self._code, "end", seconds)

    async def kill(self) -> None:
        """Closes the window: the command gets SIGHUP. Waits for its end.

        Raises TerminalError if it goes on without a terminal; it is killed then.
        """
        if self._process.returncode is None:
            with suppress(TerminalError):  # it may be going already
                await self._ask("kill-server")
        await self._process.wait()
        await self._reader
        if self.pid and psutil.pid_exists(self.pid):
            await asyncio.to_thread(_wait_for_end, self.pid)

    async def _begun(self) -> int | None:
        word, _, pid = (await self._title()).partition(" ")
        if word == "runs":
            self.pid = int(pid)
        return self.pid if word in {"runs", "ended"} else None

    async def _code(self) -> int | None:
        word, _, code = (await self._title()).partition(" ")
        return int(code) if word == "ended" else None

    async def _title(self) -> str:
        return (await self._ask("display-message", "-p", "#{pane_title}"))[0]

    async def _until(self, look: Callable[[], Awaitable[T | None]], what: str, seconds: float) -> T:
        """What `look` gives, as soon as that is not None; it looks after each change."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    self._changed.clear()
                    if (found := await look()) is not None:
                        return found
                    await self._changed.wait()
        raise TerminalError(f"no {what} in {seconds} s:\n{await self.screen()}")

    async def _ask(self, *command: str) -> list[str]:
        """A command to tmux; the lines that it answers."""
        assert self._process.stdin is not None
        if self._reader.done():
            raise TerminalError("tmux has ended")
        reply = self._next_reply()
        self._process.stdin.write(" ".join(map(_quoted, command)).encode() + b"\n")
        return await reply

    def _next_reply(self) -> asyncio.Future[list[str]]:
        """Replies come in the order of the commands."""
        reply = asyncio.get_running_loop().create_future()
        self._waiting.append(reply)
        return reply

    async def _read(self) -> None:
        """Sorts what tmux says into replies and news of a change."""
        assert self._process.stdout is not None
        lines: list[str] | None = None
        said = []
        async for raw in self._process.stdout:
            line = raw.decode("utf-8", "replace").removesuffix("\n")
            word = line.partition(" ")[0]
            if lines is None and word == "%begin":
                lines = []
            elif lines is not None and word in {"%end", "%error"}:
                self._reply(lines, word == "%error")
                lines = None
            elif lines is not None:
                lines.append(line)
            else:  # %output, %layout-change, %exit ...
                said.append(line)
                self._changed.set()
        self._changed.set()
        while self._waiting:
            self._reply(["tmux has ended:", *said[-3:]], failed=True)

    def _reply(self, lines: list[str], failed: bool) -> None:
        reply = self._waiting.popleft()
        if reply.cancelled():  # nobody waits any more
            return
        if failed:
            reply.set_exception(TerminalError("\n".join(lines)))
        else:
            reply.set_result(lines)


def _wait_for_end(pid: int) -> None:
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        try:
            process.wait(UNTIL_SECONDS)
        except psutil.TimeoutExpired:
            process.kill()
            raise TerminalError(f"it went on {UNTIL_SECONDS} s without its terminal") from None


def _quoted(word: str) -> str:
    """For tmux's own parser, whose single quotes work like the shell's."""
    if "\n" in word:
        raise ValueError("a command to tmux has one line; send Enter as a key")
    return shlex.quote(word)

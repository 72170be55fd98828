"""The terminal with an input line, as people have it: in a real terminal, with the demo."""

from __future__ import annotations

import asyncio
import errno
import io
import logging
import os
import re
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.utils import get_cwidth

from orchestrator.errors import StageLost
from orchestrator.platforms.live_terminal.completion import LineCompleter, completes_by_itself
from orchestrator.platforms.live_terminal.platform import LiveTerminal
from orchestrator.platforms.live_terminal.streams import lines_above
from orchestrator.platforms.live_terminal.wrapping import wrapped

if TYPE_CHECKING:
    from tests.tmux import Terminal

Start = Callable[..., Awaitable["Terminal"]]
SHOW = [sys.executable, "-m", "orchestrator", "run", "--platform", "terminal", "--new", "--fast"]
ENVIRON = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
SECONDS = 60
"""For one that shares the machine with many."""
LINE = re.compile(r"^(Dex|Juno|Marlow|Priya): \S", re.MULTILINE)


@pytest.fixture
def show_here() -> list[str]:
    """The command of a show with the demo's friends, at ports that nobody has."""
    Path("settings.toml").write_text("[servers]\nfirst_port = 0\n", encoding="utf-8")
    return SHOW


def inputs(screen: str) -> list[str]:
    """The rows that begin like the input line."""
    return [row for row in screen.splitlines() if row.startswith(">")]


async def lines_so_far(terminal: Terminal) -> int:
    return len(LINE.findall(await terminal.screen(scrolled=True)))


async def until_more_lines(terminal: Terminal, count: int = 2) -> None:
    """Waits for lines that are not there yet."""
    before = await lines_so_far(terminal)
    async with asyncio.timeout(SECONDS):
        while await lines_so_far(terminal) < before + count:
            shown = await terminal.screen()
            await terminal.until(lambda screen, shown=shown: screen != shown)


@pytest.mark.needs("tmux")
async def test_what_is_typed_stays_whole_while_lines_come_and_the_window_changes(
    terminal: Start, show_here: list[str]
) -> None:
    show = await terminal(show_here, environ=ENVIRON)
    await show.until(lambda screen: bool(LINE.search(screen)), seconds=SECONDS)
    text = "what do you think of a very long line about soup?"
    for word in text.split(" "):
        await show.type(word + " " * (word != "soup?"))
        await until_more_lines(show, 1)
    await show.until(lambda screen: inputs(screen) == [f"> {text}"])
    for columns, rows in ((40, 12), (200, 50), (80, 24)):
        await show.resize(columns, rows)
        await until_more_lines(show)
        await show.until(lambda screen: f">{text}".replace(" ", "") in "".join(screen.split()))
    await show.send("Enter")
    await show.until(f"You: {text}")
    await show.send("C-c")
    assert await show.ended(seconds=SECONDS) == 0
    assert inputs(await show.screen()) == []
    everything = await show.screen(scrolled=True)
    assert everything.count(f"You: {text}") == 1
    assert inputs(everything) == []  # whatever was torn would have scrolled up
    assert "Ctrl-C ends the show" in everything


@pytest.mark.needs("tmux")
async def test_commands_and_names_are_completed_and_changed_lines_are_told(
    terminal: Start, show_here: list[str]
) -> None:
    show = await terminal(show_here, environ=ENVIRON, rows=40)
    await show.until(lambda screen: bool(LINE.search(screen)), seconds=SECONDS)
    await show.send("/pause", "Enter")
    await show.until("paused, /resume goes on")
    await show.type("/mu")
    await show.until("/mute Dex: Dex is silent until /unmute Dex")
    await show.send("Tab")
    await show.until("> /mute")
    await show.type("ma")
    await show.until(" Marlow\n")
    await show.send("Tab", "Enter")
    await show.until("Marlow is silent until /unmute Marlow.")
    await show.type("\x1b[200~two\rlines\x1b[201~")  # as terminals send what is pasted
    await show.until("> two lines")
    await show.send("C-u", "Up")
    await show.until("> /mute Marlow\npaused")
    await show.send("C-u")
    await show.type("@ju")
    await show.send("Tab")
    await show.until("> @Juno")
    await show.send("C-u")
    await show.send("/oops", "Enter")
    await show.until(lambda screen: "Taken back: " in screen and "will not come again" in screen)
    await show.send("C-d")
    await show.until("The end of the input does not end the show; Ctrl-C does.")
    styled = await show.screen(styled=True)
    assert re.search(r"1m\x1b\[3\dm(\x1b\[49m)?(Dex|Juno|Marlow|Priya)", styled), styled
    assert "\x1b[2m" in styled
    await show.send("C-c")
    assert await show.ended(seconds=SECONDS) == 0


@pytest.mark.needs("tmux")
@pytest.mark.parametrize("how", ["TERM=dumb {} < /dev/tty", "{} | cat", "{} < /dev/null"])
async def test_without_a_terminal_on_both_sides_it_is_plain(
    terminal: Start, show_here: list[str], how: str
) -> None:
    command = how.format(" ".join([*show_here, "--lines", "2", "--seed", "1"]))
    show = await terminal(["sh", "-c", command], environ=ENVIRON)
    assert await show.ended(seconds=SECONDS) == 0
    screen = await show.screen()
    assert len(LINE.findall(screen)) == 2
    assert inputs(screen) == []


def test_what_others_print_and_log_comes_out_in_whole_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Tty(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal, shown = Tty(), list[str]()
    monkeypatch.setattr(sys, "stdout", io.StringIO())  # redirected: stays as it is
    monkeypatch.setattr(sys, "stderr", terminal)
    handler = logging.StreamHandler(terminal)
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    with lines_above(shown.append):
        logging.getLogger("soup").error("is hot")
        print("one\ntw", end="", file=sys.stderr)
        print("o", file=sys.stderr)
        thread = threading.Thread(target=lambda: print("three", file=sys.stderr))
        thread.start()
        thread.join()
        print("to a file")
        print("without an end", end="", file=sys.stderr)
    assert shown == ["is hot", "one", "two", "three", "without an end"]
    assert sys.stderr is terminal
    assert handler.stream is terminal
    assert terminal.getvalue() == ""


async def test_lines_of_other_stages_that_change_are_told_below(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stage = LiveTerminal({})
    message_id = await stage.relay(1, "Ana", "so\x1b[2Jup", "discord 12")
    assert await stage.relay(2, "You", "soup?", "terminal") == "said-2"
    await stage.edit(message_id, "Ana", "tea")
    await stage.delete(message_id)
    await stage.edit("said-0", "Dex", "from before the start")
    await stage.delete("said-0")
    assert capsys.readouterr().out.splitlines() == [
        "Ana (discord): so[2Jup",
        "You: soup?",
        "Ana (discord): tea (instead of: so[2Jup)",
        "Taken back: Ana (discord): tea",
        "Dex: from before the start",
        "Taken back: Dex: from before the start",
    ]


async def test_a_terminal_that_takes_no_more_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    class HungUp(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    stage = LiveTerminal({})
    monkeypatch.setattr(sys, "stdout", HungUp())
    for showing in (
        stage.relay(1, "Ana", "soup", "discord 12"), stage.notice("Nobody speaks."),
        stage.edit("said-1", "Ana", "tea"), stage.delete("said-1"),
    ):  # fmt: skip
        with pytest.raises(StageLost, match="Nothing more can be printed"):
            await showing


@given(st.text(), st.integers(2, 60), st.integers(0, 20))
def test_no_row_is_too_wide_and_nothing_is_lost(text: str, columns: int, indent: int) -> None:
    rows = list(wrapped(text, columns, indent))
    assert all(get_cwidth(row) <= columns for row in rows)
    assert "".join("".join(rows).split()) == "".join(text.split())


def test_rows_end_between_words_and_hang() -> None:
    assert list(wrapped("Dex: a very long line", 20, 5)) == ["Dex: a very long", "     line"]


@pytest.mark.parametrize(
    ("text", "proposed"),
    [
        ("/", ["/ask ", "/why"]),
        ("/W", ["/why"]),
        ("/ask ", ["Big Al ", "Dex "]),
        ("/ask b", ["Big Al "]),
        ("/why ", []),
        ("d", ["Dex, "]),
        ("hello @", ["Big Al ", "Dex "]),
        ("hello @big a", ["Big Al "]),
        ("mail@de", []),
        ("hello d", []),
        ("", []),
    ],
)
def test_what_is_proposed_for_a_beginning(text: str, proposed: list[str]) -> None:
    friends = ["Big Al", "Dex"]
    arguments = {"ask": lambda: [f"{friend} " for friend in friends]}
    completer = LineCompleter({"ask": "...", "why": "..."}, arguments, lambda: friends)
    found = completer.get_completions(Document(text), CompleteEvent())
    assert [completion.text for completion in found] == proposed


def test_nothing_is_proposed_unasked_in_ordinary_talk() -> None:
    assert [text for text in ("/m", "hi @d", "dex", "a / b") if completes_by_itself(text)] == [
        "/m", "hi @d",
    ]  # fmt: skip

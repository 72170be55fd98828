"""The terminal as a stage: what is typed comes in whole, what is said goes out safely."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestrator.cast import read_show
from orchestrator.errors import SettingsError, StageLost
from orchestrator.platforms import Command, Event, PersonLine
from orchestrator.platforms.terminal import TerminalPlatform
from orchestrator.staging import on_stage, stages_of


async def typed(written: Sequence[bytes], count: int) -> list[Event]:
    """The first events of what is written into a pipe, piece by piece, before its end."""
    read, write = os.pipe()
    for piece in written:
        os.write(write, piece)
    os.close(write)
    events: list[Event] = []
    with os.fdopen(read, "rb") as source:
        async for event in TerminalPlatform({}, source=source).events():
            events.append(event)
            if len(events) == count:
                break
    return events


async def test_lines_come_in_whole_also_the_last_one_without_an_end() -> None:
    lines = [b"hel", b"lo\r\n\n  \n/Topic  soup for 3 lines\n", "grüße \x07".encode(), b"\xff"]
    first, command, last = await typed(lines, 3)
    assert isinstance(first, PersonLine)
    assert isinstance(last, PersonLine)
    assert (first.author, first.text, last.text) == ("You", "hello", "grüße \x07\ufffd")
    assert command == Command("You", "topic", "soup for 3 lines")


def write_settings(name: str) -> None:
    text = f"[[stages]]\nplatform = 'terminal'\nname = '{name}'\n"
    friend = "[[friends]]\nname = 'Dex'\naliases = ['Dexter']\nurl = 'http://127.0.0.1:1'\n"
    Path("settings.toml").write_text(text + friend, encoding="utf-8")


def test_who_types_is_called_as_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    write_settings("Ana Müller")
    Path("typed.txt").write_text("hello\n/pause\n", encoding="utf-8")

    async def authors() -> list[str]:
        show = read_show(None)
        [stage] = on_stage(show, stages_of(show))["main"]
        return [
            event.author
            async for event in stage.events()
            if isinstance(event, PersonLine | Command)
        ]

    with Path("typed.txt").open(encoding="utf-8") as typed:
        monkeypatch.setattr("sys.stdin", typed)
        assert asyncio.run(authors()) == ["Ana Müller"] * 2


@pytest.mark.parametrize("name", ["dex", "Dexter"])
def test_who_types_is_not_taken_for_a_friend(name: str) -> None:
    write_settings(name)
    show = read_show(None)
    with pytest.raises(SettingsError, match=f"The terminal's name, '{name}', is that of a friend"):
        on_stage(show, stages_of(show))


async def test_a_line_typed_after_a_restart_is_not_taken_for_one_before_it() -> None:
    # The transcript knows messages by their names, and a show goes on where the last one ended.
    lines = [event for _ in range(2) for event in await typed([b"hello\nhello\n"], 2)]
    assert len({line.message_id for line in lines if isinstance(line, PersonLine)}) == 4


async def test_a_model_cannot_move_the_cursor_and_an_emoji_stays_whole() -> None:
    out, notices = io.StringIO(), io.StringIO()
    stage = TerminalPlatform({}, source=io.BytesIO(), out=out, notices=notices)
    await stage.say(1, "Dex", "so\x1b[2Jup\x07\n👩‍🚀")
    await stage.notice("one\ntwo \x1b[2J")
    await stage.relay(2, "Ann\x1b[2J\u202e", "\u2066soup", "web")  # nor turn round what follows
    assert out.getvalue() == "Dex: so[2Jup👩‍🚀\nAnn[2J (web): soup\n"
    assert notices.getvalue() == "one\ntwo [2J\n"


def test_a_full_disk_behind_the_output_is_one_sentence() -> None:
    with pytest.raises(OSError, match="No space"), Path("/dev/full").open("w") as out:
        stage = TerminalPlatform({}, source=io.BytesIO(), out=out)
        with pytest.raises(StageLost, match=r"^Nothing more can be printed \(No space"):
            asyncio.run(stage.say(1, "Dex", "soup"))

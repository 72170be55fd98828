"""Facebook's old messages.htm, as its archive wrote it."""

from __future__ import annotations

import html
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finetune.errors import BrokenOff
from finetune.importers.facebook_html_2017 import FacebookHtml2017
from finetune.message import ChatMessage, ReadOptions, Record
from finetune.reading.source import Source
from tests.conftest import ROOT

SAMPLE = ROOT / "tests" / "exports" / "facebook_html_2017" / "messages.htm"
OPTIONS = ReadOptions(zone=UTC)
IN_TMP = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def message(who: str, when: str, text: str) -> str:
    return (
        f'<div class="message"><div class="message_header"><span class="user">{who}</span>'
        f'<span class="meta">{when}</span></div></div><p>{text}</p>'
    )


def page(*threads: str) -> str:
    inner = "".join(f'<div class="thread">{thread}</div>' for thread in threads)
    return f"<html><body><h1>Tom</h1><div>{inner}</div></body></html>"


def read(path: Path, data: str | bytes) -> list[Record]:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return list(FacebookHtml2017().read(Source.of(path), OPTIONS))


def test_parts_of_a_conversation_are_one_chat_whoever_is_named_first(tmp_path: Path) -> None:
    when = "Friday, October 4, 2013 at 10:05pm PDT"
    records = read(
        tmp_path / "messages.htm",
        page("Tom, Ana, Ben" + message("Ana", when, "a"), "Ben, Ana" + message("Tom", when, "b")),
    )
    assert {r.chat.key for r in records if isinstance(r, ChatMessage)} == {"Ana, Ben"}


def test_an_ambiguous_zone_is_told_once(tmp_path: Path) -> None:
    line = message("Ana", "Friday, October 4, 2013 at 10:05pm IST", "x")
    records = read(tmp_path / "messages.htm", page("Tom, Ana" + line * 3))
    assert [type(r).__name__ for r in records] == ["ChatMessage"] * 3 + ["Remark"]


def test_a_large_archive_loses_nothing_between_threads(tmp_path: Path) -> None:
    lines = [
        message("Ana", "Friday, October 4, 2013 at 10:05pm UTC", "x" * 40_000 + str(i))
        for i in range(240)
    ]
    threads = ["Tom, Ana" + "".join(lines[i : i + 8]) for i in range(0, 240, 8)]
    records = read(tmp_path / "messages.htm", page(*threads))
    numbers = [int(r.text.strip("x")) for r in records if isinstance(r, ChatMessage)]
    assert sorted(numbers) == list(range(240))


@pytest.mark.parametrize(
    "text",
    [
        '<div class="thread">a <span class="user">b</span></div>',
        '<html><body><a href="messages/0.html">Ana</a></body></html>',
        '{"participants": [], "messages": []}',
        "thread message_header user meta",
    ],
)
def test_look_alikes_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "messages.htm").write_text(text)
    assert not FacebookHtml2017().recognises(Source.of(tmp_path / "messages.htm"))


def test_a_cut_off_archive_gives_what_is_complete(tmp_path: Path) -> None:
    data = SAMPLE.read_bytes()
    path = tmp_path / "messages.htm"
    path.write_bytes(data[: data.index(b"second") + 3])
    with pytest.raises(BrokenOff, match="cut off after message 0"):
        list(FacebookHtml2017().read(Source.of(path), OPTIONS))
    path.write_bytes(data[: data.index(b"next line") + 3])
    got = []
    with pytest.raises(BrokenOff, match="cut off after message 2"):
        for record in FacebookHtml2017().read(Source.of(path), OPTIONS):
            got.append(record)
    assert [r.text for r in got if isinstance(r, ChatMessage)] == ["first & foremost", "second"]


TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\xa0") | st.just("\n")
).map(str.strip)
ROWS = st.lists(st.tuples(st.sampled_from(["Tom", "Zoé", "<x> & y"]), TEXTS, st.integers(0, 3)))


@given(ROWS)
@IN_TMP
def test_what_the_archive_wrote_is_read_back_oldest_first(
    tmp_path: Path, rows: list[tuple[str, str, int]]
) -> None:
    time = datetime(2014, 3, 1, 12, 0, tzinfo=UTC)
    written = []
    for who, text, minutes in rows:
        time += timedelta(minutes=minutes)
        written.append((who, text, time))
    lines = [
        message(html.escape(who), f"{when:%A, %B} {when.day}, {when:%Y at %I:%M%p} UTC", body)
        for who, text, when in reversed(written)
        for body in [html.escape(text)]
    ]
    records = read(tmp_path / "messages.htm", page("Tom, Zoé" + "".join(lines)))
    assert [
        (r.author.name, r.text, r.sent_at) for r in records if isinstance(r, ChatMessage)
    ] == written

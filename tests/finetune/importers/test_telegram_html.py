"""Telegram Desktop's HTML pages: what is particular about them, and arbitrary texts and bytes."""

from __future__ import annotations

import html
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finetune.errors import BrokenOff
from finetune.importers.telegram_html import TelegramHtml
from finetune.message import ChatMessage, ReadOptions, Record, Remark, Skipped
from finetune.reading.source import Source
from tests.conftest import ROOT

SAMPLES = sorted((ROOT / "tests" / "exports" / "telegram_html").rglob("messages*.html"))
IMPORTER = TelegramHtml()
IN_UTC = ReadOptions(zone=UTC)
FEW = settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
TIME = "31.01.2024 10:00:00 UTC+01:00"


def page(*blocks: str, title: str = "Chat") -> str:
    return (
        "<!DOCTYPE html>\n<html>\n <head>\n<title>Exported Data</title>\n </head>\n <body>\n"
        f'  <div class="page_header">\n<div class="text bold">\n{title} \n</div>\n</div>\n'
        '  <div class="page_body chat_page">\n   <div class="history">\n'
        + "".join(blocks)
        + "\n   </div>\n  </div>\n </body>\n</html>\n"
    )


def message(
    number: int = 1, name: str | None = "Ada ", text: str = "hi", time: str = TIME, extra: str = ""
) -> str:
    joined = " joined" if name is None else ""
    from_name = "" if name is None else f'<div class="from_name">\n{name}\n  </div>\n'
    return (
        f'\n <div class="message default clearfix{joined}" id="message{number}">\n'
        f'\n  <div class="body">\n<div class="pull_right date details" title="{time}">\n10:00\n'
        f'  </div>\n{from_name}{extra}<div class="text">\n{text}\n   </div>\n'
        "\n  </div>\n\n </div>\n"
    )


def notice(number: int, text: str) -> str:
    return (
        f'\n <div class="message service" id="message{number}">\n\n'
        f'  <div class="body details">\n{text}\n  </div>\n\n </div>\n'
    )


def read(path: Path, options: ReadOptions = IN_UTC) -> list[Record]:
    return list(IMPORTER.read(Source.of(path), options))


def read_page(tmp_path: Path, text: str, options: ReadOptions = IN_UTC) -> list[Any]:
    path = tmp_path / "messages.html"
    path.write_text(text, encoding="utf-8", newline="")
    assert IMPORTER.recognises(Source.of(path))
    return read(path, options)


def test_a_joined_message_inherits_its_author(tmp_path: Path) -> None:
    records = read_page(tmp_path, page(message(1), message(2, None), message(3, "Bo")))
    assert [r.author.name for r in records] == ["Ada", "Ada", "Bo"]


def test_a_joined_message_at_the_start_of_a_page_has_no_author(tmp_path: Path) -> None:
    first, second = read_page(tmp_path, page(message(1, None), message(2)))
    assert isinstance(first, Skipped) and isinstance(second, ChatMessage)


def test_the_bot_by_whom_a_message_came_is_no_part_of_the_name(tmp_path: Path) -> None:
    [record] = read_page(tmp_path, page(message(name="Ada Müller via @gif")))
    assert record.author.name == "Ada Müller"


def test_a_name_less_author_is_a_deleted_account(tmp_path: Path) -> None:
    [record] = read_page(tmp_path, page(message(name=" ")))
    assert record.author.name == "Deleted Account"


def test_days_are_no_records_and_notices_take_the_time_before(tmp_path: Path) -> None:
    day, later = read_page(
        tmp_path,
        page(notice(-1, "31 January 2024"), notice(5, "Bo joined"), message(6), notice(7, "x")),
    )[::2]
    assert (day.kind, day.sent_at) == ("system", datetime(2024, 1, 31, tzinfo=UTC))
    assert later.sent_at.isoformat() == "2024-01-31T10:00:00+01:00"


def test_a_chat_without_messages_gives_nothing(tmp_path: Path) -> None:
    assert read_page(tmp_path, page(notice(-1, "No exported messages"))) == []


def test_a_notice_from_before_a_move_is_no_day(tmp_path: Path) -> None:
    _, record = read_page(tmp_path, page(message(-999999990), notice(-999999989, "Bo left")))
    assert (record.kind, record.message_id) == ("system", "-999999989")


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("31.01.2024 10:00:00", "2024-01-31T10:00:00+01:00"),
        ("01.08.2024 10:00:00", "2024-08-01T10:00:00+02:00"),
        ("31.01.2024 10:00:00 UTC", "2024-01-31T10:00:00+00:00"),
        ("31.01.2024 10:00:00 UTC-08:30", "2024-01-31T10:00:00-08:30"),
        ("01.08.2024 10:00:00 UTC+03:00", "2024-08-01T10:00:00+03:00"),
    ],
)
def test_a_time_is_read_with_and_without_its_zone(tmp_path: Path, time: str, expected: str) -> None:
    options = ReadOptions(zone=ZoneInfo("Europe/Berlin"))
    [record] = read_page(tmp_path, page(message(time=time)), options)
    assert record.sent_at.isoformat() == expected


def test_a_winter_offset_in_summer_is_mended_if_the_user_names_the_zone(tmp_path: Path) -> None:
    text = page(message(time="01.08.2024 10:00:00 UTC+01:00"))
    [named] = read_page(tmp_path, text, ReadOptions(zone=ZoneInfo("Europe/Berlin")))
    [other] = read_page(tmp_path, text, ReadOptions(zone=ZoneInfo("Asia/Tokyo")))
    assert (named.sent_at.utcoffset(), other.sent_at.utcoffset()) == (
        timedelta(hours=2),
        timedelta(hours=1),
    )


def test_a_local_time_is_a_guess_unless_the_user_names_the_zone(tmp_path: Path) -> None:
    text = page(message(1, time="01.08.2024 10:00:00"), message(2, time="01.08.2024 10:00:00"))
    records = read_page(tmp_path, text, ReadOptions())
    assert sum(isinstance(record, Remark) for record in records) == 1


def test_a_call_is_a_notice_as_in_json(tmp_path: Path) -> None:
    call = '<div class="media_wrap"><div class="media media_call"></div></div>'
    [record] = read_page(tmp_path, page(message(text="", extra=call)))
    assert (record.kind, record.text) == ("system", "phone call")


@pytest.mark.parametrize(
    "time", ["", "31.02.2024 10:00:00", "31.01.2024", "31.01.2024 10:00:00 UTC+99:00", "x"]
)
def test_a_message_without_a_time_is_counted(tmp_path: Path, time: str) -> None:
    bad, good = read_page(tmp_path, page(message(1, time=time), message(2)))
    assert bad == Skipped("message 1", "no readable time")
    assert isinstance(good, ChatMessage)


@pytest.mark.parametrize(
    "look_alike",
    [
        page().replace("chat_page", "list_page").replace("history", "entry_list"),
        page().replace("Exported Data", "Something"),
        "<title>Exported Data</title><div class='page_body'>",
        '<div class="chatlog__message-group">',
    ],
)
def test_a_look_alike_is_refused(tmp_path: Path, look_alike: str) -> None:
    path = tmp_path / "messages.html"
    path.write_text(look_alike, encoding="utf-8")
    assert not IMPORTER.recognises(Source.of(path))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.parent.name + path.name)
@pytest.mark.parametrize("share", [0.6, 0.95])
def test_a_page_that_breaks_off_gives_what_is_whole(
    tmp_path: Path, sample: Path, share: float
) -> None:
    data = sample.read_bytes()
    path = tmp_path / "messages.html"
    path.write_bytes(data[: int(len(data) * share)])
    records = []
    with pytest.raises(BrokenOff, match="cut off after message"):
        for record in IMPORTER.read(Source.of(path), IN_UTC):
            records.append(record)  # the list must survive the error
    assert records[-1].reason == "cut off"  # type: ignore[union-attr]  # it is a Skipped
    assert len(records) > 1
    assert records[:-1] == read(sample)[: len(records) - 1]


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn", "Zl", "Zp"]) | st.just("\n"))


def telegrams_text(text: str, tag: str) -> str:
    inner = html.escape(text).replace("&#x27;", "&apos;").replace("\n", "<br>")
    return f"<{tag}>{inner}</{tag}>" if tag else inner


@given(
    st.lists(
        st.lists(st.tuples(TEXTS, st.sampled_from(["", "strong", "em", "code"])), max_size=3),
        min_size=1,
        max_size=5,
    )
)
@FEW
def test_any_text_comes_back_as_it_was_written(
    tmp_path: Path, texts: list[list[tuple[str, str]]]
) -> None:
    written = [
        message(number, text="".join(telegrams_text(text, tag) for text, tag in parts))
        for number, parts in enumerate(texts, 1)
    ]
    records = read_page(tmp_path, page(*written))
    # The program itself sends no white space around a text.
    expected = ["".join(text for text, _ in parts).strip(" \n") for parts in texts]
    assert [record.text for record in records] == expected


def test_deep_nesting_is_no_crash(tmp_path: Path) -> None:
    deep = "<b>" * 1500 + "x" + "</b>" * 1500
    first, second, third = read_page(tmp_path, page(message(1), message(2, text=deep), message(3)))
    assert all(isinstance(record, ChatMessage) for record in (first, second, third))

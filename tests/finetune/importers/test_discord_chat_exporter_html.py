from __future__ import annotations

import html
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finetune.errors import BrokenOff
from finetune.importers.discord_chat_exporter_html import DiscordChatExporterHtml
from finetune.message import ChatMessage, ReadOptions, Record, Remark
from finetune.reading.source import Source
from tests.conftest import ROOT

HTML = DiscordChatExporterHtml()
OPTIONS = ReadOptions(zone=UTC)
SAMPLES = sorted((ROOT / "tests" / "exports" / "discord_chat_exporter_html").glob("*.html"))
NEW_SAMPLE = next(path for path in SAMPLES if "[300000000000000900]" in path.name)
PREAMBLE = (
    "<!DOCTYPE html><html lang=en><head><style>.chatlog__message-group{margin:1rem}</style></head>"
    "<body><div class=preamble><div class=preamble__entry>G</div><div class=preamble__entry>c</div>"
    "</div><div class=chatlog>\n"
)
POSTAMBLE = "</div><div class=postamble><div class=postamble__entry>Exported</div></div>\n"
OLD_PREAMBLE = (
    "<!DOCTYPE html>\n<html><head><style>.chatlog__message-group {}</style></head><body>\n"
)
BASE = datetime(2024, 7, 15, 8, 30, tzinfo=UTC)
EPOCH = datetime(2015, 1, 1, tzinfo=UTC)


def snowflake(time: datetime) -> str:
    return str((time - EPOCH) // timedelta(milliseconds=1) << 22)


def message(content: str, message_id: str = snowflake(BASE), header: str = "") -> str:
    return (
        f"<div class=chatlog__message-container data-message-id={message_id}>"
        f"<div class=chatlog__message><div class=chatlog__message-primary>{header}{content}"
        "</div></div></div>"
    )


def text(markup: str) -> str:
    return (
        '<div class="chatlog__content chatlog__markdown">'
        f"<span class=chatlog__markdown-preserve>{markup}</span></div>"
    )


def header(name: str = "Ada", time: str = "7/15/2024 10:30 AM") -> str:
    return (
        f'<div class=chatlog__header><span class=chatlog__author title="{html.escape(name)}"'
        f' data-user-id=11>{html.escape(name)}</span><span class=chatlog__timestamp title="{time}">'
        "<a>x</a></span></div>"
    )


def group(*messages: str) -> str:
    return f"<div class=chatlog__message-group>{''.join(messages)}</div>\n"


def records(path: Path, page: str | bytes, options: ReadOptions = OPTIONS) -> list[Record]:
    path = path if path.suffix else path / "export.html"
    path.write_bytes(page.encode() if isinstance(page, str) else page)
    source = Source.of(path)
    assert HTML.recognises(source)
    return list(HTML.read(source, options))


def messages(path: Path, *groups: str) -> list[ChatMessage]:
    found = records(path, PREAMBLE + "".join(groups) + POSTAMBLE)
    assert all(isinstance(record, ChatMessage) for record in found)
    return [record for record in found if isinstance(record, ChatMessage)]


def one(path: Path, content: str) -> ChatMessage:
    [found] = messages(path, group(message(content, header=header())))
    return found


def test_a_joined_message_inherits_its_author_but_not_its_time(tmp_path: Path) -> None:
    later = BASE + timedelta(minutes=5, milliseconds=7)
    first, second = messages(
        tmp_path,
        group(message(text("a"), header=header()), message(text("b"), snowflake(later))),
    )
    assert second.author == first.author
    assert (first.sent_at, second.sent_at) == (BASE, later)


def test_an_author_does_not_reach_into_the_next_group(tmp_path: Path) -> None:
    page = PREAMBLE + group(message(text("a"), header=header())) + group(message(text("b")))
    _, second = records(tmp_path, page + POSTAMBLE)
    assert second == type(second)("message 2", "no author")


@pytest.mark.parametrize(
    ("name", "kind", "key"),
    [
        ("MEE6#4876", "bot", "11"),
        ("Captain Hook", "webhook", "Captain Hook#0000"),
        ("Captain Hook#0000", "webhook", "Captain Hook#0000"),
    ],
)
def test_a_bot_without_a_number_is_a_webhook(
    tmp_path: Path, name: str, kind: str, key: str
) -> None:
    tagged = header(name).replace("</div>", "<span class=chatlog__author-tag>BOT</span></div>")
    [found] = messages(tmp_path / "x.html", group(message(text("ahoy"), header=tagged)))
    assert (found.kind, found.author.key) == (kind, key)


def test_an_edit_is_in_the_zone_that_the_id_tells(tmp_path: Path) -> None:
    # The page was made two hours east of Greenwich, wherever it is read.
    edited = '<span class=chatlog__edited-timestamp title="7/15/2024 10:41 AM">(edited)</span>'
    found = one(tmp_path, f'<div class="chatlog__content">a {edited}</div>')
    assert found.text == "a"
    assert found.edited_at == BASE + timedelta(minutes=11)


def test_the_channel_id_of_the_file_name_is_the_chats_key() -> None:
    source = Source.of(NEW_SAMPLE)
    assert {
        record.chat.key for record in HTML.read(source, OPTIONS) if isinstance(record, ChatMessage)
    } == {"300000000000000900"}


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<ul><li>a<li>b<ul><li>c</li></ul></ul>d", "a\nb\nc\nd"),
        ("<h2>big</h2>small", "big\nsmall"),
        ("a\n<h2>big</h2>\nsmall", "a\nbig\nsmall"),
        ("x <code class=chatlog__markdown-pre--inline>&lt;b&gt;</code> y", "x <b> y"),
        ('a <img class="chatlog__emoji" alt="1️⃣"> <img alt=pog title=pog>', "a 1️⃣ :pog:"),
        ("<!-- c -->a<br>b<!-- c -->c", "a\nbc"),
        ("<@12> <:pog:34> <t:1700000000>", "<@12> <:pog:34> <t:1700000000>"),
        ("a&nbsp;b &amp;amp; &#128075;", "a\xa0b &amp; 👋"),
    ],
)
def test_markup_keeps_its_words(tmp_path: Path, markup: str, expected: str) -> None:
    assert one(tmp_path, text(markup)).text == expected


def test_a_reply_an_embed_and_reactions_are_no_text(tmp_path: Path) -> None:
    found = one(
        tmp_path,
        "<div class=chatlog__reply><span class=chatlog__reply-link"
        " onclick=\"scrollToMessage(event, '123')\"><em>quoted</em></span></div>"
        + text("mine")
        + "<div class=chatlog__embed><div class=chatlog__embed-title>"
        "<div class=chatlog__markdown-preserve>title</div></div></div>"
        "<div class=chatlog__reactions><div class=chatlog__reaction><img alt=pog></div></div>",
    )
    assert (found.text, found.reply_to, found.attachments) == ("mine", "123", 0)


def test_without_an_id_in_the_file_name_the_titles_are_the_chats_key(tmp_path: Path) -> None:
    assert one(tmp_path, text("x")).chat.key == "G / c"


def old_page(*times: str) -> str:
    return (
        OLD_PREAMBLE
        + "".join(
            '<div class="chatlog__message-group"><div class="chatlog__messages">'
            f'<span class="chatlog__author-name" title="A#1">A</span>'
            f'<span class="chatlog__timestamp">{time}</span>'
            f'<div class="chatlog__content">\n  x\n</div></div></div>\n'
            for time in times
        )
        + "</body></html>"
    )


def test_a_later_date_tells_which_number_is_the_day(tmp_path: Path) -> None:
    first, _ = records(tmp_path, old_page("03/04/2018 21:05", "15/04/2018 21:10"))
    assert isinstance(first, ChatMessage)
    assert first.sent_at == datetime(2018, 4, 3, 21, 5, tzinfo=UTC)


def test_a_guess_about_the_day_is_told(tmp_path: Path) -> None:
    found = records(tmp_path, old_page("03/04/2018 21:05"))
    assert isinstance(found[-1], Remark)
    day_first = ReadOptions(zone=UTC, day_first=True)
    [known] = records(tmp_path, old_page("03/04/2018 21:05"), day_first)
    assert isinstance(known, ChatMessage)
    assert known.sent_at == datetime(2018, 4, 3, 21, 5, tzinfo=UTC)


def test_a_page_without_messages_is_empty(tmp_path: Path) -> None:
    assert records(tmp_path, PREAMBLE + POSTAMBLE) == []


def test_thousands_of_nested_elements_do_no_harm(tmp_path: Path) -> None:
    page = PREAMBLE + group(message(text("<b>" * 1500 + "x"), header=header()))
    with pytest.raises(BrokenOff):
        records(tmp_path, page)


def test_a_page_larger_than_a_parser_should_hold_is_read_as_one(tmp_path: Path) -> None:
    words = "x" * 3_000
    groups = [
        group(
            message(text(f"{number} {words}"), header=header(f"A{number}")),
            message(text(f"{number} too")),
        )
        for number in range(3_000)
    ]
    found = messages(tmp_path, *groups)
    assert [(m.author.name, m.text) for m in found] == [
        (f"A{number}", said)
        for number in range(3_000)
        for said in (f"{number} {words}", f"{number} too")
    ]


@pytest.mark.parametrize(
    "page",
    [
        "# The class `chatlog__message-group` holds messages.",
        ".chatlog__message-group { color: red }",
        "<!DOCTYPE html><html><body><div class='msg'>chat</div></body></html>",
        '{"html": "<html><div class=chatlog__message-group>"}',
        '<!DOCTYPE html><html><div class="message default">Telegram</div>',
        "",
    ],
)
def test_look_alikes_are_refused(tmp_path: Path, page: str) -> None:
    path = tmp_path / "page.html"
    path.write_text(page, encoding="utf-8")
    assert not HTML.recognises(Source.of(path))


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]) | st.just("\n")) | (
    st.sampled_from(
        ["</div>", "<!-- x -->", "&amp;", '<div class="chatlog__message-group">', "]]>"]
    )
)
WRITTEN = st.lists(st.tuples(NAMES, st.lists(TEXTS, min_size=1, max_size=3)), max_size=5)


@given(WRITTEN)
@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
def test_what_an_exporter_writes_is_read_back(
    tmp_path: Path, written: list[tuple[str, list[str]]]
) -> None:
    page, expected, time = "", [], BASE
    for name, texts in written:
        parts = []
        for number, body in enumerate(texts):
            time += timedelta(milliseconds=1)
            own = "" if number else header(name)
            parts.append(message(text(html.escape(body)), snowflake(time), own))
            expected.append((name, body, snowflake(time), time))
        page += group(*parts)
    found = messages(tmp_path, page)
    assert [(m.author.shown_name, m.text, m.message_id, m.sent_at) for m in found] == expected


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_a_page_that_breaks_off_gives_only_whole_messages(tmp_path: Path, sample: Path) -> None:
    data = sample.read_bytes()
    path = tmp_path / sample.name
    path.write_bytes(data)
    whole = list(HTML.read(Source.of(path), OPTIONS))
    start = data.index(b"</style>")
    for end in range(start, len(data), max(1, (len(data) - start) // 60)):
        path.write_bytes(data[:end])
        found: list[Record] = []
        try:
            for record in HTML.read(Source.of(path), OPTIONS):
                found.append(record)
        except BrokenOff as error:
            assert error.where.startswith("after message")
        else:
            assert len(found) == len(whole)
        seen = [(m.author.key, m.text) for m in found if isinstance(m, ChatMessage)]
        assert (
            seen
            == [(m.author.key, m.text) for m in whole if isinstance(m, ChatMessage)][: len(seen)]
        )

"""Pages of Messenger and Instagram chats, of every shape that we know and one that we do not."""

from __future__ import annotations

import html
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finetune.errors import BrokenOff
from finetune.importers.meta_html import MetaHtml
from finetune.message import ChatMessage, ReadOptions
from finetune.reading.source import Source
from tests.conftest import ROOT

SAMPLES = sorted((ROOT / "tests" / "exports" / "meta_html").rglob("*.html"))
OPTIONS = ReadOptions(zone=UTC)
IN_TMP = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def box(who: str, text: str, when: str) -> str:
    return (
        '<div class="pam _3-95 _2ph- _a6-g uiBoxWhite noborder">'
        f'<h2 class="_3-95 _2pim _a6-h _a6-i">{who}</h2><div class="_3-95 _a6-p"><div><div></div>'
        f"<div>{text}</div><div></div></div></div>"
        f'<div class="_3-94 _a6-o">{when}</div></div>'
    )


def strange_box(who: str, text: str, when: str) -> str:
    return (
        f'<article class="x9"><div><b>{who}</b></div><div><div><div></div><div>{text}</div></div>'
        f"</div><footer><time>{when}</time></footer></article>"
    )


def page(*boxes: str) -> str:
    body = "".join(boxes)
    return (
        f'<html><head><title>Ana</title></head><body><main role="main">{body}</main></body></html>'
    )


def write(folder: Path, data: str | bytes, place: str = "messages/inbox/ana_12345") -> Source:
    path = folder / place / "message_1.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return Source.of(path)


def messages(source: Source, options: ReadOptions = OPTIONS) -> list[ChatMessage]:
    return [r for r in MetaHtml().read(source, options) if isinstance(r, ChatMessage)]


WHEN = "Jan 01, 2025 9:00 am"


@pytest.mark.parametrize(
    ("place", "given", "platform"),
    [
        ("messages/inbox/ana_12345", None, "messenger"),
        ("your_instagram_activity/messages/inbox/ana_12345", None, "instagram"),
        ("your_facebook_activity/messages/inbox/instagram_12345", None, "messenger"),
        ("messages/inbox/ana_12345", "instagram", "instagram"),
    ],
)
def test_the_folder_tells_chat_and_platform(
    tmp_path: Path, place: str, given: str | None, platform: str
) -> None:
    source = write(tmp_path / "x", page(box("Ana", "hi", WHEN)), place)
    [message] = messages(source, ReadOptions(zone=UTC, platform=given))
    assert (message.chat.platform, message.chat.key) == (platform, "12345")


def test_a_page_in_the_order_of_writing_stays_so(tmp_path: Path) -> None:
    rows = [box("Ana", text, f"Jan 0{day}, 2025 9:00 am") for text, day in ("a1", "b1", "c2")]
    assert [m.text for m in messages(write(tmp_path, page(*rows)))] == ["a", "b", "c"]
    assert [m.text for m in messages(write(tmp_path, page(*rows[::-1])))] == ["a", "b", "c"]


def test_a_box_without_a_sender_is_the_platforms(tmp_path: Path) -> None:
    sender = '<h2 class="_3-95 _2pim _a6-h _a6-i">Ana</h2>'
    [message] = messages(write(tmp_path, page(box("Ana", "x", WHEN).replace(sender, ""))))
    assert (message.kind, message.text) == ("system", "x")


def test_a_shared_page_counts_as_an_attachment_and_a_link_in_the_text_does_not(
    tmp_path: Path,
) -> None:
    link = '<a href="https://example.org/reel">https://example.org/reel</a>'
    [said] = messages(write(tmp_path / "said", page(box("Ana", f"see {link}", WHEN))))
    assert (said.text, said.attachments) == ("see https://example.org/reel", 0)
    rows = box("Ana", "Ana sent an attachment.", WHEN).replace(
        "<div></div></div></div>", f"<div>{link}</div></div></div>"
    )
    [shared] = messages(write(tmp_path / "shared", page(rows)))
    assert (shared.kind, shared.text, shared.attachments) == ("person", "", 1)


def test_followers_beside_the_messages_tell_instagram(tmp_path: Path) -> None:
    source = write(tmp_path, page(box("Ana", "hi", WHEN)))
    followers = tmp_path / "connections" / "followers_and_following" / "followers_1.html"
    followers.parent.mkdir(parents=True)
    followers.write_text("<html></html>")
    [message] = messages(source)
    assert message.chat.platform == "instagram"


def test_an_empty_chat_is_no_mistake(tmp_path: Path) -> None:
    source = write(tmp_path, page('<div class="uiBoxWhite noborder">Participants: A and B</div>'))
    assert MetaHtml().recognises(source)
    assert messages(source) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("your_posts_1.html", page(box("Ana updated her status.", "hi", WHEN))),
        ("followers_1.html", page('<div class="_a6-g uiBoxWhite noborder">ana</div>')),
        ("message_1.html", page("<div><p>Ana</p><p>hi</p></div>")),
        ("message_1.html", "no page at all"),
        ("index.html", page(strange_box("Ana", "hi", WHEN))),
    ],
)
def test_look_alikes_are_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert not MetaHtml().recognises(Source.of(tmp_path / name))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.parts[-5])
def test_a_cut_off_page_gives_what_is_complete(sample: Path, tmp_path: Path) -> None:
    data = sample.read_bytes()
    whole = {(m.text, m.sent_at) for m in messages(Source.of(sample))}
    for cut in range(len(data) // 3, len(data) - 30, 41):
        source = write(tmp_path, data[:cut])
        got = []
        with pytest.raises(BrokenOff, match="cut off after message"):
            for record in MetaHtml().read(source, OPTIONS):
                got.append(record)
        assert {(m.text, m.sent_at) for m in got if isinstance(m, ChatMessage)} <= whole


TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\xa0") | st.just("\n")
).map(str.strip)
ROWS = st.lists(
    st.tuples(st.sampled_from(["Tom", "Zoé", "<x> & y"]), TEXTS, st.integers(0, 3)), min_size=1
)


@given(ROWS, st.sampled_from([box, strange_box]))
@IN_TMP
def test_what_a_page_says_is_read_back_oldest_first(
    tmp_path: Path, rows: list[tuple[str, str, int]], make: Callable[[str, str, str], str]
) -> None:
    time = datetime(2024, 3, 1, 12, 0, tzinfo=UTC)
    written = []
    for who, text, minutes in rows:
        time += timedelta(minutes=minutes)
        written.append((who, text, time))
    boxes = [
        make(
            html.escape(who),
            html.escape(text).replace("\n", "<br />"),
            f"{when:%b %d, %Y %I:%M %p}",
        )
        for who, text, when in reversed(written)
    ]
    source = write(tmp_path, page(*boxes))
    assert MetaHtml().recognises(source)
    assert [(m.author.name, m.text, m.sent_at) for m in messages(source)] == written

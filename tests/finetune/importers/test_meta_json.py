"""Messenger's and Instagram's JSON."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finetune.collect import collect
from finetune.errors import BrokenOff
from finetune.importers.messenger_e2ee_json import MessengerEncryptedJson
from finetune.importers.meta_json import MetaJson
from finetune.message import ChatMessage, ReadOptions, Record, Remark, Skipped
from finetune.reading.source import Source

IMPORTER = MetaJson()
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\r")
FUZZY = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)


def garbled(value: Any) -> Any:
    """As Meta writes it: every byte of UTF-8 a character."""
    if isinstance(value, str):
        return value.encode().decode("latin-1")
    if isinstance(value, list):
        return [garbled(item) for item in value]
    if isinstance(value, dict):
        return {key: garbled(item) for key, item in value.items()}
    return value


def thread(messages: list[Any], **other: Any) -> dict[str, Any]:
    return {
        "participants": [{"name": "Ana"}, {"name": "Bo"}],
        "messages": messages,
        "title": "Ana",
        "thread_path": "inbox/ana_123456789",
        **other,
    }


def said(content: str | None = None, at: int = 1_600_000_000_000, **other: Any) -> dict[str, Any]:
    text = {} if content is None else {"content": content}
    return {"sender_name": "Ana", "timestamp_ms": at, **text, **other}


def write(data: Any, place: str = "message_1.json") -> Source:
    path = Path(place)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(garbled(data)), encoding="utf-8")
    return Source.of(path)


def records(source: Source, options: ReadOptions | None = None) -> list[Record]:
    assert IMPORTER.recognises(source)
    return list(IMPORTER.read(source, options or ReadOptions()))


def messages_in(source: Source) -> list[ChatMessage]:
    return [record for record in records(source) if isinstance(record, ChatMessage)]


def only(**message: Any) -> ChatMessage:
    [record] = messages_in(write(thread([said(**message)])))
    return record


@given(
    st.lists(st.tuples(st.text(CHARACTERS), st.text(CHARACTERS), st.integers(1, 2**41))),
    st.text(CHARACTERS),
)
@FUZZY
def test_any_text_comes_back(written: list[tuple[str, str, int]], title: str) -> None:
    written = sorted(written, key=lambda line: line[2])
    newest_first = [
        said(text + "·", at, sender_name="· " + name + "·") for name, text, at in reversed(written)
    ]
    found = messages_in(write(thread(newest_first, title="·" + title + "·")))
    found.sort(key=lambda message: message.sent_at)
    assert [(m.author.name, m.text) for m in found] == [
        ("· " + name + "·", text + "·") for name, text, _ in written
    ]
    assert {m.chat.name for m in found} <= {"·" + title + "·"}


def test_a_name_is_the_same_person_garbled_or_not() -> None:
    source = write(thread([said("x", sender_name="Ana Kovač")]))
    Path("fixed.json").write_text(
        json.dumps(thread([said("x", sender_name="Ana Kovač")])), encoding="utf-8"
    )
    assert messages_in(source) == messages_in(Source.of(Path("fixed.json")))


@pytest.mark.parametrize(
    "marks",
    [
        {"type": "Subscribe", "users": [{"name": "Bo"}]},
        {"type": "Unsubscribe"},
        {"type": "Call", "call_duration": 5},
        {"call_duration": 0},
        {"missed": True},
        {"type": "Payment"},
        {"users": [{"name": "Bo"}]},
    ],
)
def test_what_the_file_marks_as_a_notice_is_one(marks: dict[str, Any]) -> None:
    assert only(content="any words", **marks).kind == "system"


@pytest.mark.parametrize(
    "text",
    [
        "Ana left the group.",
        "Ana named the group Die Größten 🎉.",
        "Ana set the nickname for Bo to Bobo.",
        "Reacted ❤ to your message ",
        "Liked a message",
        "You can now message and call each other and see info like Active Status and when "
        "you've read messages.",
        "Ana hat die Gruppe verlassen.",
        "Ana a quitté le groupe.",
        "Ana heeft de groep verlaten.",
    ],
)
def test_a_notice_is_told_by_its_words(text: str) -> None:
    assert only(content=text).kind == "system"


@pytest.mark.parametrize(
    "text",
    ["she left the group, and I did too", "I liked a message of yours", "who left the group?", ""],
)
def test_a_person_may_write_about_notices(text: str) -> None:
    assert (only(content=text).kind, only(content=text).text) == ("person", text)


def test_words_that_only_stand_for_an_attachment_are_left_out() -> None:
    message = only(content="Ana sent an attachment.", share={"link": "https://example.org"})
    assert (message.kind, message.text, message.attachments) == ("person", "", 1)


def test_attachments_of_all_sorts_are_counted() -> None:
    two = [{"uri": "a"}, {"uri": "b"}]
    message = only(photos=two, videos=two, audio_files=two, files=two, gifs=two, sticker={"uri": 1})
    assert (message.text, message.attachments) == ("", 11)


def test_an_unsent_message_has_no_text() -> None:
    message = only(content="Ana unsent a message.", is_unsent=True)
    assert message.text == ""
    assert only(content="kept", is_unsent=False).text == "kept"


def test_all_parts_of_a_thread_and_later_downloads_are_one_chat() -> None:
    sources = [
        write(thread([said("a")]), "one/messages/inbox/ana_123456789/message_1.json"),
        write(thread([said("b")]), "one/messages/inbox/ana_123456789/message_10.json"),
        write(
            thread([said("c")], title="Anne", thread_path="archived_threads/anne_123456789"),
            "two/messages/archived_threads/anne_123456789/message_1.json",
        ),
        write(
            {"participants": [], "messages": [said("d")], "title": "Ana"},
            "three/messages/inbox/ana_123456789/message.json",
        ),
    ]
    assert {messages_in(source)[0].chat.key for source in sources} == {"123456789"}


def test_a_file_that_names_no_thread_goes_by_its_title() -> None:
    source = write({"participants": [{"name": "Bo"}], "messages": [said("d")], "title": "Bo"})
    assert messages_in(source)[0].chat.key == "Bo"


@pytest.mark.parametrize(
    ("place", "platform"),
    [
        ("your_instagram_activity/messages/inbox/ana_1/message_1.json", "instagram"),
        ("instagram-ana-2024/messages/inbox/ana_1/message_1.json", "instagram"),
        ("instagram/your_facebook_activity/messages/inbox/ana_1/message_1.json", "messenger"),
        ("facebook/messages/inbox/instagram_1/message_1.json", "messenger"),
        ("messages/inbox/ana_1/message_1.json", "messenger"),
    ],
)
def test_the_folders_tell_the_platform(place: str, platform: str) -> None:
    [message] = messages_in(write(thread([said("a")]), place))
    assert message.chat.platform == message.author.platform == platform


def test_the_name_of_a_zip_tells_the_platform() -> None:
    with zipfile.ZipFile("instagram-ana.zip", "w") as file:
        data = json.dumps(thread([said("a", is_geoblocked_for_viewer=False)]))
        file.writestr("messages/inbox/ana_1/message_1.json", "\N{BYTE ORDER MARK}" + data)
    [found] = collect([Path("instagram-ana.zip")], ReadOptions()).found
    [message] = messages_in(found.source)
    assert message.chat.platform == "instagram"


def test_the_user_knows_the_platform_best() -> None:
    source = write(thread([said("a")]), "facebook/messages/inbox/ana_1/message_1.json")
    [record] = records(source, ReadOptions(platform="instagram"))
    assert isinstance(record, ChatMessage)
    assert record.chat.platform == "instagram"


def test_a_guess_is_told_where_it_may_be_wrong() -> None:
    hint = said("a", is_geoblocked_for_viewer=False)
    remark, message = records(write(thread([hint])))
    assert isinstance(remark, Remark)
    assert isinstance(message, ChatMessage)
    assert message.chat.platform == "messenger"
    assert len(records(write(thread([{**hint, "type": "Generic"}])))) == 1
    assert len(records(write(thread([hint]), "facebook/message_1.json"))) == 1


def test_rubbish_is_counted_and_stops_nothing() -> None:
    rubbish = [None, 5, "x", [], {}, said(at=-1), said(at=10**40), {**said(), "content": 5}]
    found = records(write(thread([said("a"), *rubbish, said("b")])))
    assert [r.where for r in found if isinstance(r, Skipped)] == [
        f"message {number}" for number in range(2, 10)
    ]
    assert len(found) == 10


def test_a_chat_without_messages_is_an_export() -> None:
    assert records(write(thread([]))) == []


@pytest.mark.parametrize(
    "data",
    [
        {"media": [], "label_values": []},
        {"relationships_followers": [{"title": "", "string_list_data": [{"value": "ana"}]}]},
        {"support_messages": [{"timestamp": 1, "subject": "x", "messages": [{"message": "y"}]}]},
        {"name": "Ana", "type": "personal_chat", "id": 1, "messages": [{"id": 1, "from": "Ana"}]},
        {"participants": [{"name": "A"}], "messages": [{"senderName": "A", "timestamp": 1}]},
        {"participants": ["A", "B"], "threadName": "A_1", "messages": [{"senderName": "A"}]},
        {"participants": [{"name": "A"}], "messages": []},
        [thread([said("a")])],
        {"text": json.dumps(thread([said("a")]))},
    ],
)
def test_look_alikes_are_refused(data: Any) -> None:
    assert not IMPORTER.recognises(write(data))


def test_encrypted_chats_are_another_format() -> None:
    assert not MessengerEncryptedJson().recognises(write(thread([said("a")])))


def test_what_came_before_the_break_is_kept() -> None:
    write(thread([said(str(n), n + 1) for n in range(100)]))
    path = Path("message_1.json")
    path.write_bytes(path.read_bytes()[:4000])
    reading = IMPORTER.read(Source.of(path), ReadOptions())
    found = []
    with pytest.raises(BrokenOff) as broken:
        for record in reading:
            found.append(record)
    assert f"after record {len(found)}" == broken.value.where

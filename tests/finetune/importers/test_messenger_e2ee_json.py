"""Messenger's end-to-end-encrypted chats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finetune.errors import BrokenOff
from finetune.importers.messenger_e2ee_json import MessengerEncryptedJson
from finetune.message import ChatMessage, ReadOptions, Record, Skipped
from finetune.reading.source import Source

IMPORTER = MessengerEncryptedJson()
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\r")
FUZZY = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)


def thread(messages: list[Any], **other: Any) -> dict[str, Any]:
    return {"participants": ["Ana", "Bo"], "threadName": "Ana_7", "messages": messages, **other}


def said(text: Any, at: int = 1_700_000_000_000, **other: Any) -> dict[str, Any]:
    return {
        "isUnsent": False, "media": [], "reactions": [], "senderName": "Ana", "text": text,
        "timestamp": at, "type": "text", **other,
    }  # fmt: skip


def write(data: Any, place: str = "Ana_7.json") -> Source:
    Path(place).write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    return Source.of(Path(place))


def records(source: Source) -> list[Record]:
    assert IMPORTER.recognises(source)
    return list(IMPORTER.read(source, ReadOptions()))


def messages_in(source: Source) -> list[ChatMessage]:
    return [record for record in records(source) if isinstance(record, ChatMessage)]


@given(st.lists(st.tuples(st.text(CHARACTERS), st.integers(1, 2**41)), unique_by=lambda m: m[1]))
@FUZZY
def test_any_text_comes_back(written: list[tuple[str, int]]) -> None:
    # The mark lies beyond Latin-1, so that no text is one that Meta could have garbled.
    found = messages_in(write(thread([said("…" + text + "…", at) for text, at in written])))
    assert [m.text for m in found] == ["…" + text + "…" for text, _ in written]


def test_an_unsent_message_has_no_text() -> None:
    unsent = said("User unsent a message", isUnsent=True, type="placeholder")
    [message] = messages_in(write(thread([unsent])))
    assert (message.kind, message.text) == ("person", "")


def test_media_is_counted() -> None:
    media = [{"uri": "./media/a.jpeg"}, {"uri": "Failed to download media"}]
    [message] = messages_in(write(thread([said("", media=media, type="media")])))
    assert (message.kind, message.text, message.attachments) == ("person", "", 2)


def test_what_the_platform_says_is_a_notice() -> None:
    found = messages_in(
        write(
            thread([said("This cannot be shown.", type="placeholder"), said("Ana left the group.")])
        )
    )
    assert [message.kind for message in found] == ["system", "system"]


def test_the_number_of_a_download_is_not_the_chats() -> None:
    earlier = messages_in(write(thread([said("a")])))[0].chat
    later = messages_in(write(thread([said("a")], threadName="Ana_12")))[0].chat
    assert earlier == later


def test_a_group_may_be_called_like_a_person() -> None:
    pair = messages_in(write(thread([said("a")])))[0].chat
    group = messages_in(write(thread([said("a")], participants=["Ana", "Bo", "Cy"])))[0].chat
    assert pair.name == group.name
    assert pair.key != group.key


def test_chats_with_deleted_people_stay_apart() -> None:
    keys = {
        messages_in(write(thread([said("a", senderName="Facebook user")], threadName=name)))[
            0
        ].author.key
        for name in ("Facebook user_1", "Facebook user_2")
    }
    assert len(keys) == 2


def test_a_garbled_name_is_repaired() -> None:
    garbled = "Zoë".encode().decode("latin-1")
    source = write(thread([said("a", senderName=garbled)], threadName=garbled + "_3"))
    [message] = messages_in(source)
    assert (message.author.key, message.chat.name) == ("Zoë", "Zoë")


def test_a_byte_order_mark_does_no_harm() -> None:
    source = write(thread([said("a")]))
    Path("Ana_7.json").write_bytes(b"\xef\xbb\xbf" + Path("Ana_7.json").read_bytes())
    assert len(records(source)) == 1


def test_rubbish_is_counted_and_stops_nothing() -> None:
    rubbish = [None, 5, "x", [], {}, said("a", at=-1), said(5), said("a", senderName=[])]
    found = records(write(thread([said("a"), *rubbish, said("b")])))
    assert sum(isinstance(record, Skipped) for record in found) == 8
    assert len(found) == 10


def test_a_chat_without_messages_is_an_export() -> None:
    assert records(write(thread([]))) == []


@pytest.mark.parametrize(
    "data",
    [
        {"participants": [{"name": "A"}], "messages": [{"sender_name": "A", "timestamp_ms": 1}]},
        {"participants": ["A"], "messages": [{"sender": "A", "timestamp": 1}]},
        {"participants": ["A"], "messages": []},
        [{"participants": ["a", "b"], "conversation": [{"sender": "a", "created_at": "x"}]}],
        {"media": [], "label_values": []},
        {"name": "A", "type": "personal_chat", "messages": [{"from": "A", "text": "b"}]},
    ],
)
def test_look_alikes_are_refused(data: Any) -> None:
    assert not IMPORTER.recognises(write(data))


def test_what_came_before_a_break_is_kept() -> None:
    write(thread([said(str(n), n + 1) for n in range(100)]))
    path = Path("Ana_7.json")
    path.write_bytes(path.read_bytes()[:5000])
    found = []
    with pytest.raises(BrokenOff) as broken:
        for record in IMPORTER.read(Source.of(path), ReadOptions()):
            found.append(record)
    assert f"after record {len(found)}" == broken.value.where

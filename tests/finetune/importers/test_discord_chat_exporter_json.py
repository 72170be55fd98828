from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from finetune.importers.discord_chat_exporter_json import DiscordChatExporterJson
from finetune.message import ChatMessage, ReadOptions
from finetune.reading.source import Source

JSON = DiscordChatExporterJson()
ADA = {"id": "11", "name": "ada", "discriminator": "0000", "nickname": "Ada", "isBot": False}
STICKER = {"id": "1", "name": "Wave", "format": "Lottie", "sourceUrl": "x"}
PICTURE = {"id": "1", "url": "x", "fileName": "x.png", "fileSizeBytes": 12}


def message(**values: Any) -> dict[str, Any]:
    return {
        "id": "300000000000000001",
        "type": "Default",
        "timestamp": "2026-01-01T10:00:00+00:00",
        "content": "",
        "author": ADA,
        **values,
    }


def webhook(name: str, key: str, discriminator: str | int = "0000") -> dict[str, Any]:
    return {"id": key, "name": name, "discriminator": discriminator, "isBot": True}


def messages(path: Path, *rows: dict[str, Any], **root: Any) -> list[ChatMessage]:
    head = {"guild": {"id": "1", "name": "G"}, "channel": {"id": "2", "name": "c"}, **root}
    path.write_text(json.dumps({**head, "messages": rows}), encoding="utf-8")
    source = Source.of(path)
    assert JSON.recognises(source)
    records = list(JSON.read(source, ReadOptions(zone=UTC)))
    found = [record for record in records if isinstance(record, ChatMessage)]
    assert len(found) == len(records)
    return found


def test_a_forwarded_message_is_text_of_somebody_else_and_no_reply(tmp_path: Path) -> None:
    forwarded = {
        "timestamp": "2025-12-31T10:00:00+00:00",
        "content": "schöne Grüße 👋🏽\nan alle",
        "attachments": [PICTURE],
        "embeds": [],
        "stickers": [STICKER],
    }
    reference = {"type": "Forward", "messageId": "7", "channelId": "2", "guildId": "1"}
    row = message(reference=reference, forwardedMessage=forwarded)
    [found] = messages(tmp_path / "x.json", row)
    assert (found.text, found.forwarded) == ("schöne Grüße 👋🏽\nan alle", True)
    assert (found.attachments, found.reply_to) == (2, None)
    assert found.sent_at == datetime(2026, 1, 1, 10, tzinfo=UTC)


def test_a_webhook_has_one_account_for_each_name_it_writes_under(tmp_path: Path) -> None:
    authors = [webhook("Hook", "500"), webhook("Smee", "500"), webhook("Hook", "501", 0)]
    bot = {"id": "600", "name": "MEE6", "discriminator": "4876", "isBot": True}
    rows = [message(author=author, content="ahoy") for author in (*authors, bot, ADA)]
    found = messages(tmp_path / "x.json", *rows)
    assert [m.kind for m in found] == ["webhook", "webhook", "webhook", "bot", "person"]
    assert [m.author.key for m in found] == ["Hook#0000", "Smee#0000", "Hook#0000", "600", "11"]


def test_a_sticker_counts_as_attached_and_an_embed_does_not(tmp_path: Path) -> None:
    embed = {"title": "T", "description": "words"}
    found = messages(tmp_path / "x.json", message(stickers=[STICKER]), message(embeds=[embed]))
    assert [(m.text, m.attachments) for m in found] == [("", 1), ("", 0)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"type": "Reply", "reference": {"messageId": "7", "channelId": "2"}}, "7"),
        ({"type": 19, "reference": {"messageId": 7}}, "7"),
        ({"type": "ChannelPinnedMessage", "reference": {"messageId": "7"}}, "7"),
        ({"type": "Reply", "reference": {"messageId": None, "channelId": "2"}}, None),
        ({"type": "Default", "reference": {"messageId": "7", "channelId": "9"}}, None),
        ({"type": "21", "reference": {"messageId": "7", "channelId": "9"}}, None),
    ],
    ids=["reply", "number", "pin", "unknown", "crosspost", "thread"],
)
def test_only_a_reference_in_the_channel_is_a_reply(
    tmp_path: Path, values: dict[str, Any], expected: str | None
) -> None:
    [found] = messages(tmp_path / "x.json", message(**values))
    assert found.reply_to == expected


def test_what_is_null_or_empty_has_no_words_of_its_own(tmp_path: Path) -> None:
    nameless = {"id": "12", "name": "", "nickname": None}
    [found] = messages(tmp_path / "x.json", message(content=None, author=nameless))
    assert (found.text, found.author.shown_name) == ("", "Deleted User")


@pytest.mark.parametrize(
    ("root", "key", "name"),
    [
        ({}, "2", "G / c"),
        ({"channel": {"id": 20, "name": "c"}}, "20", "G / c"),
        ({"channel": {"id": None, "name": "c"}}, "G / c", "G / c"),
        ({"guild": {}, "channel": {}}, "x", "x"),
        ({"guild": "G", "channel": [], "x": {"guild": {}, "channel": {}}}, "x", "x"),
    ],
)
def test_a_chat_always_has_a_key_and_a_name(
    tmp_path: Path, root: dict[str, Any], key: str, name: str
) -> None:
    [found] = messages(tmp_path / "x.json", message(), **root)
    assert (found.chat.key, found.chat.name) == (key, name)

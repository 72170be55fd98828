"""Telegram Desktop's JSON export, `result.json`, of one chat or of a whole account.

Written by https://github.com/telegramdesktop/tdesktop (`export_output_json.cpp`): whole
accounts since 2018, single chats since 2.1.9. A chat is an object of `name`, `type`, `id` and
`messages`, oldest first; an account holds such chats in `chats.list` and `left_chats.list`.
Odd: `date` is local time without a zone (3.7.6 and later add `date_unixtime`), `text` is a
string or a list of strings and objects, a private chat is named by the first name only, and
some versions write broken JSON, which is mended on the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NotRequired, TypedDict

from finetune.message import Account, Chat, ChatMessage, Kind, ReadOptions, Record, Remark, Skipped
from finetune.reading.json_items import items, nested_items, root_values
from finetune.reading.source import Source, with_line_feeds
from finetune.reading.telegram_exports import (
    DELETED,
    LOCAL_TIMES,
    NOTICE_AUTHOR,
    PLATFORM,
    UNSUPPORTED,
    is_account,
    is_chat,
)

NO_CHATS = Remark("The export of the account holds no messages; export it once more with chats.")

CHATS = ("chats.list.item", "left_chats.list.item")
UNNAMED = {
    "saved_messages": "Saved Messages",
    "replies": "Replies",
    "verification_codes": "Verification Codes",
}
TWO_PEOPLE = ("personal_chat", "bot_chat", "saved_messages")
TELEGRAMS_OWN = {"user777000", "user136817688", "user1087968824", "user1271266957"}
"""Accounts of Telegram itself: service notices, and stand-ins for channels, anonymous admins
and replies."""
MEDIA = {
    "photo",
    "file",
    "media_type",
    "contact_information",
    "location_information",
    "place_name",
    "poll",
    "todo_list",
    "game_title",
    "invoice_information",
    "giveaway_information",
    "giveaway_results",
    "self_destruct_period_seconds",
}
"""Keys of a message that holds more than text."""


class TextPart(TypedDict):
    type: str
    text: str


class Message(TypedDict):
    id: int
    type: str
    date: NotRequired[str]
    date_unixtime: NotRequired[str]
    edited: NotRequired[str]
    edited_unixtime: NotRequired[str]
    # "from", which Python does not allow here: str | None
    from_id: NotRequired[str | int]
    author: NotRequired[str]
    """The signature of a channel's post."""
    forwarded_from: NotRequired[str | None]
    reply_to_message_id: NotRequired[int]
    reply_to_peer_id: NotRequired[str]
    """Only where the answered message lies in another chat."""
    text: NotRequired[str | list[str | TextPart]]
    text_entities: NotRequired[list[TextPart]]
    actor: NotRequired[str | None]
    actor_id: NotRequired[str | int]
    action: NotRequired[str]


@dataclass(frozen=True, slots=True)
class Dialog:
    """A chat as the export heads it."""

    chat: Chat
    number: str
    type: str


class TelegramJson:
    """Importer of Telegram Desktop's result.json."""

    name = "Telegram JSON"
    platforms = (PLATFORM,)
    rank = 0

    def group(self, source: Source) -> str:
        # Telegram calls the file so; one that was renamed may be of another chat than the pages.
        return str(source.folder if source.stem.startswith("result") else source.place)

    def recognises(self, source: Source) -> bool:
        return is_chat(source.head) or is_account(source.head)

    def read(self, source: Source, options: ReadOptions) -> Iterator[Record]:
        told = options.zone is not None
        for record, item in _records(source, options):
            if not told and isinstance(record, ChatMessage):
                told = True  # all messages of a file are of one generation
                if _is_local(item):
                    yield LOCAL_TIMES
            yield record


def _records(source: Source, options: ReadOptions) -> Iterator[tuple[Record, Any]]:
    if is_chat(source.head):
        dialog = _dialog(root_values(source, "messages"))
        for count, item in enumerate(items(source, "messages"), 1):
            yield _record(item, dialog, f"message {count}", options), item
        return
    last: dict[str, Any] = {}
    dialog = _dialog(last)
    chats = count = 0
    for head, item in nested_items(source, CHATS, "messages"):
        if head is not last:
            last, dialog = head, _dialog(head)
            chats, count = chats + 1, 0
        count += 1
        yield _record(item, dialog, f"message {count} of chat {chats}", options), item
    if not chats:
        yield NO_CHATS, None


def _dialog(head: dict[str, Any]) -> Dialog:
    kind = str(head.get("type") or "")
    number = str(head["id"]) if head.get("id") is not None else ""
    name = str(head.get("name") or "") or UNNAMED.get(kind, DELETED)
    return Dialog(Chat(PLATFORM, number or name, name), number, kind)


def _record(item: Message, dialog: Dialog, where: str, options: ReadOptions) -> Record:
    try:
        if item["type"] == "unsupported":
            return Skipped(where, UNSUPPORTED)
        if item["type"] == "message":
            return _message(item, dialog, options)
        if item["type"] == "service":
            return _notice(item, dialog, options)
    except (KeyError, TypeError):
        pass
    except (ValueError, OverflowError, OSError):
        return Skipped(where, "no readable time")
    return Skipped(where, "not of a message's form")


def _message(item: Message, dialog: Dialog, options: ReadOptions) -> ChatMessage:
    author, kind = _author(item, dialog)
    return ChatMessage(
        chat=dialog.chat,
        author=author,
        kind=kind,
        sent_at=_time(item.get("date_unixtime"), item.get("date"), options),
        text=_text(item),
        message_id=_number(item["id"]),
        reply_to=_reply_to(item),
        edited_at=_edited(item, options),
        attachments=0 if MEDIA.isdisjoint(item) else 1,
        forwarded="forwarded_from" in item or "forwarded_from_id" in item,
    )


def _notice(item: Message, dialog: Dialog, options: ReadOptions) -> ChatMessage:
    name = _word(item, "actor") or _word(item, "from")
    key = _peer(item.get("actor_id")) or _peer(item.get("from_id")) or name
    name = name or (DELETED if key else NOTICE_AUTHOR)
    return ChatMessage(
        chat=dialog.chat,
        author=Account(PLATFORM, key or name, name, name),
        kind="system",
        sent_at=_time(item.get("date_unixtime"), item.get("date"), options),
        text=_notice_text(item),
        message_id=_number(item["id"]),
    )


def _notice_text(item: Message) -> str:
    """Telegram names the action and leaves the sentence to whoever shows it."""
    action = _word(item, "action").replace("_", " ")
    details = [_word(item, key) for key in ("title", "new_title", "discard_reason", "emoticon")]
    members = item.get("members")
    if isinstance(members, list):
        details += [name if isinstance(name, str) else DELETED for name in members]
    parts = [action, ", ".join(filter(None, details)), _word(item, "information_text")]
    return with_line_feeds(": ".join(filter(None, parts)))


def _author(item: Message, dialog: Dialog) -> tuple[Account, Kind]:
    name = _word(item, "from")
    key = _peer(item.get("from_id"))
    if dialog.type not in TWO_PEOPLE and dialog.number:
        # Channels and anonymous admins; old versions write the bare number or nothing.
        of_chat = f"channel{dialog.number}"
        is_nobody = not key and not name and dialog.type.endswith("_channel")
        if is_nobody or key == f"user{dialog.number}":
            key, name = of_chat, name or dialog.chat.name
    if key and not key.startswith("user"):
        signature = _word(item, "author")
        if signature:
            return Account(PLATFORM, signature, signature, signature), "person"
        name = name or dialog.chat.name
        return Account(PLATFORM, key, name, name), "bot"
    is_bot = key in TELEGRAMS_OWN or (
        dialog.type == "bot_chat" and (key == f"user{dialog.number}" or name == dialog.chat.name)
    )
    name = name or DELETED
    return Account(PLATFORM, key or name, name, name), "bot" if is_bot else "person"


def _peer(value: Any) -> str:
    """`user12`, `chat12` or `channel12`; before 2.7.2 a bare number, nearly always a user's."""
    if isinstance(value, str):
        return f"user{value}" if value.isdecimal() else value
    return f"user{value}" if type(value) is int else ""


def _text(item: Message) -> str:
    text = _joined(item.get("text", ""))
    return with_line_feeds(text or _joined(item.get("text_entities", "")))


def _joined(text: Any) -> str:
    if isinstance(text, list):
        parts = (part["text"] if isinstance(part, dict) else part for part in text)
        return "".join(parts)  # a TypeError where a part is no text
    if text is None or isinstance(text, str):
        return text or ""
    raise TypeError("no text")


def _reply_to(item: Message) -> str | None:
    target = item.get("reply_to_message_id")
    if target is None or "reply_to_peer_id" in item:
        return None
    return _number(target)


def _number(value: Any) -> str:
    if type(value) is int or isinstance(value, str):
        return str(value)
    raise TypeError("no id")


def _word(item: Any, key: str) -> str:
    value = item.get(key)
    return value if isinstance(value, str) else ""


def _edited(item: Message, options: ReadOptions) -> datetime | None:
    if "edited" not in item and "edited_unixtime" not in item:
        return None
    try:
        time = _time(item.get("edited_unixtime"), item.get("edited"), options)
    except (ValueError, OverflowError, OSError):
        return None
    return time if time.year > 1970 else None  # until 2.1.8 so if never edited


def _time(unix: Any, local: Any, options: ReadOptions) -> datetime:
    """Raises ValueError, OverflowError or OSError where there is none."""
    if isinstance(unix, str) or type(unix) is int:
        try:
            return datetime.fromtimestamp(int(unix), UTC)
        except (ValueError, OverflowError, OSError):
            pass
    if not isinstance(local, str):
        raise ValueError("no time")
    time = options.aware(datetime.fromisoformat(local))
    time.astimezone(UTC)  # fails for the ends of the calendar
    return time


def _is_local(item: Message) -> bool:
    if "date_unixtime" in item:
        return False
    return datetime.fromisoformat(item["date"]).tzinfo is None

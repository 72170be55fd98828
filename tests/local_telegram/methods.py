"""What the Bot API's methods do to the world, and what they refuse in Telegram's words:
https://core.telegram.org/bots/api#available-methods"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from .world import JSON, Bot, Chat, Message, Person

IS_THERE = ("member", "administrator", "creator", "restricted")
COMMAND = re.compile(r"[a-z0-9_]{1,32}")
LONGEST = 4096


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.status, self.description, self.parameters = status, description, parameters


class Methods:
    """The methods that neither wait nor call back. `changed` is called after each change."""

    def __init__(self, chats: dict[int, Chat], changed: Callable[[], None]) -> None:
        self._chats = chats
        self._changed = changed
        self.toasts: dict[str, str] = {}
        """What pressed buttons were answered with."""

    def call(self, bot: Bot, method: str, given: JSON) -> Any:
        """Raises Refusal."""
        methods: Mapping[str, Callable[[Bot, JSON], Any]] = {
            "getMe": lambda bot, _: bot.about_itself(),
            "getChat": self._get_chat, "getChatMember": self._get_member,
            "getChatAdministrators": self._get_administrators,
            "sendMessage": self._send, "sendDocument": self._send_document,
            "sendChatAction": self._act,
            "editMessageText": self._edit, "deleteMessage": self._delete,
            "answerCallbackQuery": self._toast, "setMyCommands": self._commands,
            "setWebhook": self._set_webhook, "deleteWebhook": self._delete_webhook,
            "getWebhookInfo": lambda bot, _: {
                "url": bot.webhook, "has_custom_certificate": False,
                "pending_update_count": len(bot.updates),
            },
        }  # fmt: skip
        if method not in methods:
            raise Refusal(404, "Not Found")
        result = methods[method](bot, given)
        self._changed()
        return result

    # --- chats ----------------------------------------------------------------------------------

    def chat(self, bot: Bot, given: JSON) -> Chat:
        """The chat, if the bot may write there. Raises Refusal."""
        chat = self._chats.get(given["chat_id"])
        if chat is None or bot not in chat.bots:
            raise Refusal(400, "Bad Request: chat not found")
        if chat.moved_to:
            raise Refusal(
                400, "Bad Request: group chat was upgraded to a supergroup chat",
                migrate_to_chat_id=chat.moved_to,
            )  # fmt: skip
        status = chat.bots[bot]
        if status == "blocked":
            raise Refusal(403, "Forbidden: bot was blocked by the user")
        if status not in IS_THERE:
            raise Refusal(403, f"Forbidden: bot was kicked from the {chat.kind} chat")
        return chat

    def _get_chat(self, bot: Bot, given: JSON) -> JSON:
        about = {"accent_color_id": 0, "max_reaction_count": 11,
                 "accepted_gift_types": dict.fromkeys(
                     ("unlimited_gifts", "limited_gifts", "unique_gifts",
                      "premium_subscription", "gifts_from_channels"), False)}  # fmt: skip
        return self.chat(bot, given).as_json() | about

    def _get_member(self, bot: Bot, given: JSON) -> JSON:
        chat = self.chat(bot, given)
        return member(bot, chat.bots[bot])

    def _get_administrators(self, bot: Bot, given: JSON) -> list[JSON]:
        chat = self.chat(bot, given)
        return [member(person, "administrator") for person in chat.administrators]

    def _act(self, bot: Bot, given: JSON) -> bool:
        chat = self._writable(bot, given)
        chat.actions.append((bot, given["action"]))
        return True

    def _writable(self, bot: Bot, given: JSON) -> Chat:
        chat = self.chat(bot, given)
        if chat.bots[bot] == "restricted":
            raise Refusal(400, "Bad Request: not enough rights to send text messages to the chat")
        return chat

    # --- messages -------------------------------------------------------------------------------

    def _send(self, bot: Bot, given: JSON) -> JSON:
        chat = self._writable(bot, given)
        message = Message(chat.next_id(), chat, bot, _text(given), **_marks(given))
        message.silent = bool(given.get("disable_notification"))
        reply = given.get("reply_parameters")
        if reply:
            message.reply_to = _found(chat, reply["message_id"])
            if message.reply_to is None and not reply.get("allow_sending_without_reply"):
                raise Refusal(400, "Bad Request: message to be replied not found")
        chat.messages.append(message)
        return message.as_json()

    def _send_document(self, bot: Bot, given: JSON) -> JSON:
        chat = self._chats.get(given["chat_id"])
        if chat is None or not chat.has_started:
            raise Refusal(403, "Forbidden: bot can't initiate conversation with a user")
        chat = self._writable(bot, given)
        message = Message(chat.next_id(), chat, bot, "", document=given["document"])
        chat.messages.append(message)
        return message.as_json()

    def _edit(self, bot: Bot, given: JSON) -> JSON:
        chat = self.chat(bot, given)
        message = _found(chat, given["message_id"])
        if message is None:
            raise Refusal(400, "Bad Request: message to edit not found")
        if message.sender is not bot:
            raise Refusal(400, "Bad Request: message can't be edited")
        text, marks = _text(given), _marks(given)
        if (message.text, message.entities) == (text, marks["entities"]):
            raise Refusal(
                400, "Bad Request: message is not modified: specified new message content and "
                "reply markup are exactly the same as a current content and reply markup of the "
                "message",
            )  # fmt: skip
        message.text, message.entities, message.is_edited = text, marks["entities"], True
        return message.as_json()

    def _delete(self, bot: Bot, given: JSON) -> bool:
        chat = self.chat(bot, given)
        message = _found(chat, given["message_id"])
        if message is None:
            raise Refusal(400, "Bad Request: message to delete not found")
        if message.sender is not bot and chat.bots[bot] != "administrator":
            raise Refusal(400, "Bad Request: message can't be deleted")
        chat.messages.remove(message)
        return True

    # --- the rest -------------------------------------------------------------------------------

    def _toast(self, bot: Bot, given: JSON) -> bool:
        text = given.get("text", "")
        if len(text) > 200:
            raise Refusal(400, "Bad Request: MESSAGE_TOO_LONG")
        self.toasts[given["callback_query_id"]] = text
        return True

    def _commands(self, bot: Bot, given: JSON) -> bool:
        for command in given["commands"]:
            if not COMMAND.fullmatch(command["command"]):
                raise Refusal(400, "Bad Request: BOT_COMMAND_INVALID")
            if not 1 <= len(command["description"]) <= 256:
                raise Refusal(400, "Bad Request: BOT_COMMAND_DESCRIPTION_INVALID")
        scope = given.get("scope", {"type": "default"})
        kind = scope["type"]
        if "chat_id" in scope:
            chat = self.chat(bot, scope)
            if kind == "chat_member":
                if scope["user_id"] not in {person.id for person in chat.people}:
                    raise Refusal(400, "Bad Request: PARTICIPANT_ID_INVALID")
                kind += f" {scope['user_id']}"
        bot.commands[kind] = given["commands"]
        return True

    def _set_webhook(self, bot: Bot, given: JSON) -> bool:
        if not given["url"].startswith("https://"):
            raise Refusal(400, "Bad Request: bad webhook: An HTTPS URL must be provided")
        bot.webhook, bot.webhook_secret = given["url"], given.get("secret_token", "")
        bot.allowed = given.get("allowed_updates", [])
        return True

    def _delete_webhook(self, bot: Bot, given: JSON) -> bool:
        bot.webhook = ""
        return True


def member(who: Bot | Person, status: str) -> JSON:
    """A ChatMember."""
    found: JSON = {"user": who.as_json(), "status": status}
    if status == "administrator":
        rights = (
            "can_be_edited", "is_anonymous", "can_manage_chat", "can_delete_messages",
            "can_manage_video_chats", "can_restrict_members", "can_promote_members",
            "can_change_info", "can_invite_users", "can_post_stories", "can_edit_stories",
            "can_delete_stories",
        )  # fmt: skip
        found |= dict.fromkeys(rights, True)
    if status == "restricted":
        rights = (
            "is_member", "can_change_info", "can_invite_users", "can_pin_messages",
            "can_send_messages", "can_send_polls", "can_send_other_messages",
            "can_add_web_page_previews", "can_manage_topics", "can_send_audios",
            "can_send_documents", "can_send_photos", "can_send_videos", "can_send_video_notes",
            "can_send_voice_notes",
        )  # fmt: skip
        found |= dict.fromkeys(rights, False) | {"until_date": 0}
    if status == "kicked":
        found["until_date"] = 0
    return found


def _found(chat: Chat, message_id: int) -> Message | None:
    return next((m for m in chat.messages if m.id == message_id), None)


def _text(given: JSON) -> str:
    text: str = given.get("text", "")
    if not text.strip():
        raise Refusal(400, "Bad Request: message text is empty")
    if len(text.encode("utf-16-le")) // 2 > LONGEST:
        raise Refusal(400, "Bad Request: message is too long")
    if given.get("parse_mode"):
        raise Refusal(400, "Bad Request: this server knows no markup")
    return text


def _marks(given: JSON) -> JSON:
    text, entities = given["text"], given.get("entities", [])
    for entity in entities:
        if entity["offset"] + entity["length"] > len(text.encode("utf-16-le")) // 2:
            raise Refusal(400, "Bad Request: ENTITY_BOUNDS_INVALID")
    buttons = (given.get("reply_markup") or {}).get("inline_keyboard", [])
    for button in (b for row in buttons for b in row):
        if not 1 <= len(button["callback_data"].encode()) <= 64:
            raise Refusal(400, "Bad Request: BUTTON_DATA_INVALID")
    preview = given.get("link_preview_options", {})
    return {
        "entities": entities, "buttons": buttons, "has_preview": not preview.get("is_disabled"),
    }  # fmt: skip

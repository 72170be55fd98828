"""Making, changing and deleting messages, for people and for bots alike: limits, mentions, pings,
and the events. Who may do it is decided before."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from . import shapes
from .errors import (
    EMPTY_MESSAGE,
    REPLY_TO_UNKNOWN,
    UNKNOWN_MESSAGE,
    Refused,
    bad_field,
    too_long,
)
from .mentions import Found, Ping, allowed_from, find_mentions
from .permissions import MENTION_EVERYONE, permissions_in
from .service import Service
from .sessions import Session
from .world import Attachment, Channel, Json, Message, User, Webhook

LONGEST_TEXT = 2_000
NONCE_KEPT_S = 300.0
REPLY, DEFAULT, CHAT_INPUT_COMMAND, CONTEXT_MENU_COMMAND = 19, 0, 20, 23
SUPPRESS_EMBEDS, EPHEMERAL, LOADING = 1 << 2, 1 << 6, 1 << 7
SUPPRESS_NOTIFICATIONS, COMPONENTS_V2 = 1 << 12, 1 << 15


@dataclass(slots=True)
class Draft:
    """What somebody wants to post. `form` has Discord's fields: content, embeds, flags ..."""

    author: User
    form: Json
    files: list[Attachment] = field(default_factory=list)
    webhook: Webhook | None = None
    application_id: int | None = None
    interaction: Json | None = None
    kind: int = DEFAULT


def post(service: Service, channel: Channel, draft: Draft) -> Message:
    """Make a message, tell the bots and count the pings.

    The same author's `nonce` with `enforce_nonce` within minutes gives the message that is
    already there. Raises `Refused` for texts that are too long, empty, or reply to nothing.
    """
    form = draft.form
    # Discord knows nonces of bots' and people's messages only, not of webhooks' lines.
    nonce = None if draft.webhook or form.get("nonce") is None else str(form["nonce"])
    if nonce is not None and len(nonce) > 25:
        raise bad_field("nonce", "NONCE_TYPE_TOO_LONG", "Nonce must be 25 or fewer in length.")
    enforced = nonce is not None and bool(form.get("enforce_nonce"))
    if enforced and (made := _made_before(channel, draft.author.id, nonce)) is not None:
        return made
    message = build(service, channel, draft)
    message.nonce = nonce
    if enforced and nonce is not None:
        channel.nonces.append((time.monotonic(), draft.author.id, nonce, message.id))
    publish(service, channel, message)
    return message


def build(service: Service, channel: Channel, draft: Draft) -> Message:
    """Make a message, checked but not yet shown to anybody."""
    form, hook = draft.form, draft.webhook
    text = check_content(form, draft.files)
    message = Message(
        service.world.snowflakes.new(), channel.id, channel.guild_id, draft.author, text,
        application_id=draft.application_id, kind=draft.kind, flags=_flags(draft),
        tts=bool(form.get("tts")), embeds=_embeds(form), components=form.get("components") or [],
        attachments=list(draft.files), interaction=draft.interaction,
    )  # fmt: skip
    if hook is not None:
        message.webhook_id = hook.id
        message.name = str(form.get("username") or hook.name)
        message.avatar_url = form.get("avatar_url")
    elif draft.application_id is not None:
        message.webhook_id = draft.application_id
    if hook is None:  # a webhook's line cannot be a reply; Discord ignores the wish
        _refer(channel, message, form.get("message_reference"))
    _mention(service, channel, message, form, bool(hook))
    return message


def publish(service: Service, channel: Channel, message: Message) -> None:
    """Put a message in its channel, count its pings and tell the bots."""
    channel.history.add(message)
    if not message.flags & SUPPRESS_NOTIFICATIONS:
        _ping(service, message, Found([], [], False), "create")
    service.tell_message(channel, "MESSAGE_CREATE", message)


def check_content(form: Json, files: list[Attachment], kept: int = 0) -> str:
    """The text of a form. Raises `Refused` where it is too long, or where nothing is said at
    all; `kept`: attachments that stay on an edited message."""
    text = form.get("content")
    if text is not None and not isinstance(text, str):
        raise bad_field("content", "BASE_TYPE_STRING", "Must be a string.")
    text = (text or "").strip()
    too_long("content", text, LONGEST_TEXT)
    if len(form.get("embeds") or []) > 10:
        raise bad_field("embeds", "BASE_TYPE_MAX_LENGTH", "Must be 10 or fewer in length.")
    something = text or form.get("embeds") or files or kept or form.get("components")
    if not something and not form.get("sticker_ids") and not form.get("poll"):
        raise Refused(EMPTY_MESSAGE)
    return text


def edit(
    service: Service, channel: Channel, message: Message, form: Json, files: list[Attachment]
) -> None:
    """Change a message as a form says; fields that are not in it stay."""
    attachments = message.attachments
    if "attachments" in form:
        kept = {str(each.get("id")) for each in form["attachments"] or []}
        attachments = [each for each in attachments if str(each.id) in kept]
    whole: Json = {"content": message.content, "embeds": message.embeds,
                   "components": message.components} | form  # fmt: skip
    text = check_content(whole, files, len(attachments))
    before = Found(message.mention_ids, message.mention_role_ids, message.mentions_everyone)
    message.content, message.attachments = text, [*attachments, *files]
    message.embeds, message.components = _embeds(whole), whole.get("components") or []
    message.edited_at = datetime.now(UTC)
    message.flags &= ~LOADING
    if "content" in form or "allowed_mentions" in form:
        _mention(service, channel, message, form, message.name is not None)
        _ping(service, message, before, "edit")
    if not message.ephemeral:
        service.tell_message(channel, "MESSAGE_UPDATE", message)


def delete(service: Service, channel: Channel, message: Message) -> None:
    """Take a message away and tell the bots."""
    channel.history.remove(message.id)
    body: Json = {"id": str(message.id), "channel_id": str(channel.id)}
    if channel.guild_id is not None:
        body["guild_id"] = str(channel.guild_id)
    service.tell_channel(channel, "MESSAGE_DELETE", lambda session: body, "messages")


def react(service: Service, channel: Channel, message: Message, who: User, emoji: str) -> None:
    """Add a reaction, once per user and emoji."""
    users = message.reactions.setdefault(emoji, [])
    if who.id not in users:
        users.append(who.id)
        _tell_reaction(service, channel, message, who, emoji, "MESSAGE_REACTION_ADD")


def take_back(service: Service, channel: Channel, message: Message, who: User, emoji: str) -> None:
    """Take a reaction back; nothing happens where there is none."""
    users = message.reactions.get(emoji, [])
    if who.id not in users:
        return
    users.remove(who.id)
    if not users:
        del message.reactions[emoji]
    _tell_reaction(service, channel, message, who, emoji, "MESSAGE_REACTION_REMOVE")


def _tell_reaction(
    service: Service, channel: Channel, message: Message, who: User, emoji: str, event: str
) -> None:
    body: Json = {
        "user_id": str(who.id), "channel_id": str(channel.id), "message_id": str(message.id),
        "emoji": shapes.emoji(emoji), "burst": False, "type": 0,
    }  # fmt: skip
    guild = service.world.guild_of(channel)
    if guild is not None:
        body["guild_id"] = str(guild.id)
    if event == "MESSAGE_REACTION_ADD":
        body["message_author_id"] = str(message.author.id)
        if guild is not None and who.id in guild.members:
            body["member"] = shapes.member(guild.members[who.id])

    def body_for(session: Session) -> Json:
        return body

    service.tell_channel(channel, event, body_for, "reactions")


def _made_before(channel: Channel, author_id: int, nonce: str | None) -> Message | None:
    """The message of this nonce. One that was deleted since is not made again either:
    https://github.com/discord/discord-api-docs/pull/6647"""
    newest = time.monotonic() - NONCE_KEPT_S
    for made_at, author, its_nonce, message_id in reversed(channel.nonces):
        if made_at < newest:
            return None
        if author == author_id and its_nonce == nonce:
            made = channel.history.get(message_id)
            if made is None:
                raise Refused(UNKNOWN_MESSAGE)
            return made
    return None


def _flags(draft: Draft) -> int:
    """The flags that an author may set; only answers to interactions can be ephemeral."""
    settable = SUPPRESS_EMBEDS | SUPPRESS_NOTIFICATIONS | COMPONENTS_V2
    if draft.interaction is not None:
        settable |= EPHEMERAL
    return int(draft.form.get("flags") or 0) & settable


def _embeds(form: Json) -> list[Json]:
    return [{"type": "rich", **each} for each in form.get("embeds") or []]


def _refer(channel: Channel, message: Message, reference: Json | None) -> None:
    if not reference or reference.get("message_id") is None:
        return
    target = channel.history.get(int(reference["message_id"]))
    if target is None:
        if reference.get("fail_if_not_exists", True):
            raise bad_field("message_reference", *REPLY_TO_UNKNOWN)
        return  # sent as a plain message, as Discord does
    message.kind, message.reference, message.reference_id = REPLY, target, target.id


def _mention(
    service: Service, channel: Channel, message: Message, form: Json, is_webhook: bool
) -> None:
    """Find whom a message mentions, after `allowed_mentions` and the author's permissions."""
    allowed = allowed_from(form.get("allowed_mentions"), message.webhook_id is not None)
    rights = permissions_in(service.world, channel, message.author.id)
    # A webhook has no roles that could forbid it anything: only allowed_mentions holds it.
    found = find_mentions(
        message.content, allowed, service.world.guild_of(channel),
        is_webhook or bool(rights & MENTION_EVERYONE), service.world.users,
    )  # fmt: skip
    answered = message.reference
    if answered is not None and message.kind == REPLY and allowed.replied_user:
        known = answered.author.id in service.world.users and answered.webhook_id is None
        if known and answered.author.id not in found.users:
            found.users.insert(0, answered.author.id)
    message.mention_ids, message.mention_role_ids = found.users, found.roles
    message.mentions_everyone = found.everyone


def _ping(
    service: Service, message: Message, before: Found, when: Literal["create", "edit"]
) -> None:
    """Count who is mentioned now and was not before; nobody is notified of an own line."""
    for user_id in message.mention_ids:
        if user_id not in before.users and user_id != message.author.id:
            service.pings.append(Ping(message.id, "user", user_id, when))
    for role_id in message.mention_role_ids:
        if role_id not in before.roles:
            service.pings.append(Ping(message.id, "role", role_id, when))
    if message.mentions_everyone and not before.everyone:
        service.pings.append(Ping(message.id, "everyone", message.channel_id, when))

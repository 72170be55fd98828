"""Routes of webhooks, and the one road under which Discord serves both a webhook's lines and the
later answers to an interaction.

Source: https://docs.discord.com/developers/resources/webhook
"""

from __future__ import annotations

import re
import secrets

from . import posting, rest_answers, shapes
from .errors import (
    MISSING_ACCESS,
    MISSING_PERMISSIONS,
    NOT_IN_A_PRIVATE_CHAT,
    TOO_MANY_WEBHOOKS,
    UNKNOWN_CHANNEL,
    UNKNOWN_MESSAGE,
    Refused,
    bad_field,
    too_long,
)
from .permissions import MANAGE_WEBHOOKS, VIEW_CHANNEL, permissions_in
from .rest import Call
from .world import DM, Channel, Json, Message, User, Webhook

MOST_IN_A_CHANNEL = 15
FORBIDDEN_IN_NAMES = re.compile("discord|clyde", re.IGNORECASE)
FORBIDDEN_NAMES = frozenset({"everyone", "here", "system message"})
"""Seen on Discord as "Username cannot be "here"", and not in its documentation of webhooks."""


def check_name(name: object, field: str) -> str:
    """A name over a webhook's lines: 1-80 characters, without `discord` and `clyde`, and none of
    those that are Discord's own."""
    text = str(name or "").strip()
    too_long(field, text, 80, 1)
    forbidden = FORBIDDEN_IN_NAMES.search(text)
    if forbidden:
        raise bad_field(field, "USERNAME_INVALID_CONTAINS",
                        f'Username cannot contain "{forbidden[0].lower()}"')  # fmt: skip
    if text.casefold() in FORBIDDEN_NAMES:
        raise bad_field(field, "USERNAME_INVALID", f'Username cannot be "{text.casefold()}"')
    return text


def shown(call: Call, webhook: Webhook) -> Json:
    """A webhook as the asking bot gets it: with the token only of its own application's."""
    own = webhook.application_id == call.bot.id
    return shapes.webhook(webhook, call.service.api_base, own)


async def get_channel_webhooks(call: Call) -> list[Json]:
    """GET /channels/{channel_id}/webhooks"""
    channel = call.channel(MANAGE_WEBHOOKS)
    return [shown(call, each) for each in call.service.world.webhooks_of([channel.id])]


async def get_guild_webhooks(call: Call) -> list[Json]:
    """GET /guilds/{guild_id}/webhooks"""
    guild = call.guild(MANAGE_WEBHOOKS)
    return [shown(call, each) for each in call.service.world.webhooks_of(guild.channels)]


async def create_webhook(call: Call) -> Json:
    """POST /channels/{channel_id}/webhooks"""
    channel = call.channel()
    if channel.kind == DM or channel.guild_id is None:
        raise Refused(NOT_IN_A_PRIVATE_CHAT)
    call.channel(MANAGE_WEBHOOKS)
    world = call.service.world
    name = check_name(call.form.get("name"), "name")
    if len(world.webhooks_of([channel.id])) >= MOST_IN_A_CHANNEL:
        raise Refused(TOO_MANY_WEBHOOKS)
    webhook = Webhook(world.snowflakes.new(), secrets.token_urlsafe(51), channel.id,
                      channel.guild_id, name, call.bot.id, call.bot.user)  # fmt: skip
    world.webhooks[webhook.id] = webhook
    tell_webhooks(call, webhook)
    return shown(call, webhook)


def tell_webhooks(call: Call, webhook: Webhook) -> None:
    """Tell the bots that a channel's webhooks changed."""
    guild = call.service.world.guilds[webhook.guild_id]
    body = {"guild_id": str(guild.id), "channel_id": str(webhook.channel_id)}
    call.service.tell_guild(guild, "WEBHOOKS_UPDATE", body, "webhooks")


def managed(call: Call) -> Webhook:
    """The webhook in the path, by its token or by a bot that may manage it."""
    webhook = call.webhook()
    if "webhook_token" not in call.request.match_info:
        channel = call.service.world.channels[webhook.channel_id]
        rights = permissions_in(call.service.world, channel, call.bot.id)
        if not rights & VIEW_CHANNEL:
            raise Refused(MISSING_ACCESS)
        if not rights & MANAGE_WEBHOOKS:
            raise Refused(MISSING_PERMISSIONS)
    return webhook


async def get_webhook(call: Call) -> Json:
    """GET /webhooks/{webhook_id}, and with the token in the path"""
    webhook = managed(call)
    if "webhook_token" in call.request.match_info:
        return shapes.webhook(webhook, call.service.api_base)
    return shown(call, webhook)


async def edit_webhook(call: Call) -> Json:
    """PATCH /webhooks/{webhook_id}, and with the token in the path"""
    webhook = managed(call)
    if "name" in call.form:
        webhook.name = check_name(call.form["name"], "name")
    moved = call.form.get("channel_id")
    if moved is not None and "webhook_token" not in call.request.match_info:
        if int(moved) not in call.service.world.channels:
            raise Refused(UNKNOWN_CHANNEL)
        webhook.channel_id = int(moved)
    tell_webhooks(call, webhook)
    return shapes.webhook(webhook, call.service.api_base)


async def delete_webhook(call: Call) -> None:
    """DELETE /webhooks/{webhook_id}, and with the token in the path"""
    webhook = managed(call)
    del call.service.world.webhooks[webhook.id]
    tell_webhooks(call, webhook)


def place(call: Call, webhook: Webhook) -> Channel:
    """Where a webhook writes: its channel, or the thread of it in the query."""
    world = call.service.world
    thread_id = call.request.query.get("thread_id")
    if thread_id is None:
        return world.channels[webhook.channel_id]
    thread = world.channels.get(int(thread_id)) if thread_id.isdecimal() else None
    if thread is None or thread.parent_id != webhook.channel_id:
        raise Refused(UNKNOWN_CHANNEL)
    return thread


async def execute(call: Call) -> Json | None:
    """POST /webhooks/{webhook_id}/{webhook_token}: a line, or an interaction's later answer"""
    token = call.request.match_info["webhook_token"]
    if token in call.service.interactions:
        return await rest_answers.follow_up(call)
    webhook = call.webhook()
    if call.form.get("username") is not None:
        check_name(call.form["username"], "username")
    author = User(webhook.id, webhook.name, is_bot=True)
    draft = posting.Draft(author, call.form, call.files, webhook, webhook.application_id)
    message = posting.post(call.service, place(call, webhook), draft)
    if call.request.query.get("wait", "false").lower() not in ("1", "true"):
        return None
    return shapes.message(message, call.service.world, call.service.site)


def own_line(call: Call) -> tuple[Channel, Message]:
    """The line of this webhook that the path names."""
    webhook = call.webhook()
    channel = place(call, webhook)
    message = call.message(channel)
    if message.webhook_id != webhook.id:
        raise Refused(UNKNOWN_MESSAGE)
    return channel, message


async def get_line(call: Call) -> Json:
    """GET /webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"""
    if call.request.match_info["webhook_token"] in call.service.interactions:
        return await rest_answers.get_answer(call)
    return shapes.message(own_line(call)[1], call.service.world, call.service.site)


async def edit_line(call: Call) -> Json:
    """PATCH /webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"""
    if call.request.match_info["webhook_token"] in call.service.interactions:
        return await rest_answers.edit_answer(call)
    channel, message = own_line(call)
    posting.edit(call.service, channel, message, call.form, call.files)
    return shapes.message(message, call.service.world, call.service.site)


async def delete_line(call: Call) -> None:
    """DELETE /webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"""
    if call.request.match_info["webhook_token"] in call.service.interactions:
        await rest_answers.delete_answer(call)
        return
    posting.delete(call.service, *own_line(call))

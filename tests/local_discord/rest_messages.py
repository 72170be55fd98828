"""Routes of channels and their messages.

Source: https://docs.discord.com/developers/resources/channel and .../message
"""

from __future__ import annotations

from urllib.parse import unquote

from aiohttp import web

from . import posting, shapes
from .errors import (
    CLOSED_TO_PRIVATE_MESSAGES,
    MISSING_PERMISSIONS,
    NOT_FOUND,
    NOT_THE_AUTHOR,
    UNKNOWN_USER,
    Refused,
    bad_field,
)
from .permissions import (
    ADD_REACTIONS,
    ATTACH_FILES,
    MANAGE_CHANNELS,
    MANAGE_MESSAGES,
    READ_MESSAGE_HISTORY,
    SEND_MESSAGES,
    SEND_MESSAGES_IN_THREADS,
    permissions_in,
)
from .rest import Call
from .stage import remove_channel
from .world import DM, PUBLIC_THREAD, Channel, Json


async def get_channel(call: Call) -> Json:
    """GET /channels/{channel_id}"""
    return shapes.channel(call.channel())


async def delete_channel(call: Call) -> Json:
    """DELETE /channels/{channel_id}; a private chat is only closed."""
    channel = call.channel()
    if channel.kind != DM:
        channel = call.channel(MANAGE_CHANNELS)
        remove_channel(call.service, channel)
    return shapes.channel(channel)


async def get_messages(call: Call) -> list[Json]:
    """GET /channels/{channel_id}/messages: newest first; nothing without the permission to read
    what was before, as Discord answers."""
    channel, query = call.channel(), call.request.query
    limit = _limit(query.get("limit", "50"))
    rights = permissions_in(call.service.world, channel, call.bot.id)
    if not rights & READ_MESSAGE_HISTORY:
        return []
    if "around" in query:
        found = channel.history.around(_snowflake(query["around"], "around"), limit)
    elif "after" in query:
        found = channel.history.after(_snowflake(query["after"], "after"), limit)
    else:
        before = _snowflake(query["before"], "before") if "before" in query else None
        found = channel.history.before(before, limit)
    return [call.shown(each) for each in reversed(found)]


def _limit(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise bad_field("limit", "NUMBER_TYPE_MAX", "int value should be between 1 and 100.")
    return int(text)


def _snowflake(text: str, name: str) -> int:
    if not text.isdecimal():
        raise bad_field(name, "NUMBER_TYPE_COERCE", f'Value "{text}" is not snowflake.')
    return int(text)


async def get_message(call: Call) -> Json:
    """GET /channels/{channel_id}/messages/{message_id}"""
    return call.shown(call.message(call.channel(READ_MESSAGE_HISTORY)))


async def create_message(call: Call) -> Json:
    """POST /channels/{channel_id}/messages"""
    channel = writable(call)
    if call.files and channel.guild_id is not None:
        call.channel(ATTACH_FILES)
    if call.form.get("message_reference") and channel.guild_id is not None:
        call.channel(READ_MESSAGE_HISTORY)
    draft = posting.Draft(call.bot.user, call.form, call.files)
    return call.shown(posting.post(call.service, channel, draft))


def writable(call: Call) -> Channel:
    """The channel in the path, where the bot may write."""
    channel = call.channel()
    if channel.kind == DM:
        closed = [each for each in channel.recipients if not each.takes_private_messages]
        if closed:
            raise Refused(CLOSED_TO_PRIVATE_MESSAGES)
        return channel
    thread = channel.kind == PUBLIC_THREAD
    return call.channel(SEND_MESSAGES_IN_THREADS if thread else SEND_MESSAGES)


async def edit_message(call: Call) -> Json:
    """PATCH /channels/{channel_id}/messages/{message_id}"""
    channel = call.channel()
    message = call.message(channel)
    if message.author.id != call.bot.id:
        raise Refused(NOT_THE_AUTHOR)
    posting.edit(call.service, channel, message, call.form, call.files)
    return call.shown(message)


async def delete_message(call: Call) -> None:
    """DELETE /channels/{channel_id}/messages/{message_id}"""
    channel = call.channel()
    message = call.message(channel)
    if message.author.id != call.bot.id:
        call.channel(MANAGE_MESSAGES)
    posting.delete(call.service, channel, message)


async def add_reaction(call: Call) -> None:
    """PUT /channels/{channel_id}/messages/{message_id}/reactions/{emoji}/@me"""
    channel = call.channel(READ_MESSAGE_HISTORY)
    message, emoji = call.message(channel), unquote(call.request.match_info["emoji"])
    if emoji not in message.reactions:
        call.channel(ADD_REACTIONS)
    posting.react(call.service, channel, message, call.bot.user, emoji)


async def remove_own_reaction(call: Call) -> None:
    """DELETE /channels/{channel_id}/messages/{message_id}/reactions/{emoji}/@me"""
    channel = call.channel()
    emoji = unquote(call.request.match_info["emoji"])
    posting.take_back(call.service, channel, call.message(channel), call.bot.user, emoji)


async def remove_reaction(call: Call) -> None:
    """DELETE /channels/{channel_id}/messages/{message_id}/reactions/{emoji}/{user_id}"""
    channel = call.channel(MANAGE_MESSAGES)
    emoji, who = unquote(call.request.match_info["emoji"]), call.id_of("user_id")
    user = call.service.world.users.get(who)
    if user is None:
        raise Refused(UNKNOWN_USER)
    posting.take_back(call.service, channel, call.message(channel), user, emoji)


async def get_reactions(call: Call) -> list[Json]:
    """GET /channels/{channel_id}/messages/{message_id}/reactions/{emoji}"""
    message = call.message(call.channel(READ_MESSAGE_HISTORY))
    who = message.reactions.get(unquote(call.request.match_info["emoji"]), [])
    return [shapes.user(call.service.world.users[each]) for each in who]


async def start_typing(call: Call) -> None:
    """POST /channels/{channel_id}/typing"""
    channel = writable(call)
    call.service.typings[channel.id, call.bot.id] += 1
    call.service.changes.notify()


async def open_private_chat(call: Call) -> Json:
    """POST /users/@me/channels"""
    user = call.service.world.users.get(int(call.form.get("recipient_id") or 0))
    if user is None:
        raise Refused(UNKNOWN_USER)
    if user.is_bot:
        raise Refused(MISSING_PERMISSIONS)
    return shapes.channel(call.service.private_chat(user, call.bot.user))


async def get_attachment(call: Call) -> object:
    """GET /attachments/{channel_id}/{attachment_id}/{filename}: the bytes of a file."""
    channel = call.service.world.channels.get(call.id_of("channel_id"))
    wanted = call.id_of("attachment_id")
    for message in reversed(list(channel.history) if channel else []):
        for each in message.attachments:
            if each.id == wanted:
                return web.Response(body=each.body, content_type=each.content_type
                                    or "application/octet-stream")  # fmt: skip
    raise Refused(NOT_FOUND)

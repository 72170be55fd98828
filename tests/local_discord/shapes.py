"""The JSON of Discord's objects, made from the world. Ids are strings, times are ISO 8601; what a
reader may not see is left to the caller.

Source: https://docs.discord.com/developers/resources/message and its neighbours.
"""

from __future__ import annotations

import hashlib
import zlib
from datetime import datetime

from .permissions import permissions_in
from .world import (
    DM,
    PUBLIC_THREAD,
    Attachment,
    Bot,
    Channel,
    Guild,
    Json,
    Member,
    Message,
    Role,
    User,
    Webhook,
    World,
    time_of,
)

# Flags of an application: https://docs.discord.com/developers/resources/application
APPLICATION_FLAGS = {
    "presences": (1 << 12, 1 << 13),
    "members": (1 << 14, 1 << 15),
    "message_content": (1 << 18, 1 << 19),
}
"""Privileged intent -> (granted by Discord, switched on for an app in fewer than 100 guilds)."""


def iso(moment: datetime) -> str:
    """A time as Discord writes it."""
    return moment.isoformat(timespec="microseconds")


def user(of: User) -> Json:
    """A user object."""
    number = f"{of.id % 9_999 + 1:04}" if of.is_bot else "0"  # only bots still have one
    return {
        "id": str(of.id), "username": of.name, "global_name": None if of.is_bot else of.name,
        "discriminator": number, "avatar": None, "bot": of.is_bot, "public_flags": 0,
    }  # fmt: skip


def me(bot: Bot) -> Json:
    """The bot's own user object, as `users/@me` and READY have it."""
    return {**user(bot.user), "verified": True, "mfa_enabled": False, "flags": 0, "email": None}


def application(bot: Bot) -> Json:
    """The application of a bot; its flags tell which privileged intents are switched on."""
    flags = sum(APPLICATION_FLAGS[name][1] for name in bot.privileged)
    return {
        "id": str(bot.id), "name": bot.user.name, "description": "", "icon": None,
        "bot_public": False, "bot_require_code_grant": False, "verify_key": "0" * 64,
        "owner": user(bot.owner), "team": None, "flags": flags, "bot": user(bot.user),
        "integration_types_config": {"0": {}},
    }  # fmt: skip


def role(of: Role) -> Json:
    """A role object."""
    tags = {} if of.bot_id is None else {"tags": {"bot_id": str(of.bot_id)}}
    return {
        "id": str(of.id), "name": of.name, "permissions": str(of.permissions),
        "position": of.position, "color": of.color, "hoist": of.hoist,
        "colors": {"primary_color": of.color, "secondary_color": None, "tertiary_color": None},
        "managed": of.bot_id is not None, "mentionable": of.mentionable, "flags": 0,
        "icon": None, "unicode_emoji": None, **tags,
    }  # fmt: skip


def member(of: Member, with_user: bool = True) -> Json:
    """A member object."""
    body = {
        "nick": of.nick, "avatar": None, "roles": [str(each) for each in of.role_ids],
        "joined_at": iso(of.joined_at), "deaf": False, "mute": False, "flags": 0,
        "pending": False, "communication_disabled_until": None, "premium_since": None,
    }  # fmt: skip
    return {**body, "user": user(of.user)} if with_user else body


def channel(of: Channel) -> Json:
    """A channel object, a thread or a private chat."""
    last = of.history.before(None, 1)
    body: Json = {
        "id": str(of.id), "type": of.kind, "flags": 0,
        "last_message_id": str(last[0].id) if last else None,
    }  # fmt: skip
    if of.kind == DM:
        people = [user(each) for each in of.recipients if not each.is_bot]
        return {**body, "recipients": people}
    body |= {"guild_id": str(of.guild_id), "name": of.name, "rate_limit_per_user": 0,
             "parent_id": None if of.parent_id is None else str(of.parent_id)}  # fmt: skip
    if of.kind == PUBLIC_THREAD:
        return body | {
            "owner_id": str(of.id), "message_count": len(of.history), "member_count": 1,
            "thread_metadata": {"archived": False, "auto_archive_duration": 1440, "locked": False,
                                "archive_timestamp": iso(time_of(of.id))},
        }  # fmt: skip
    overwrites = [
        {"id": str(each.target), "type": 0 if each.is_role else 1,
         "allow": str(each.allow), "deny": str(each.deny)}
        for each in of.overwrites
    ]  # fmt: skip
    return body | {"topic": of.topic, "position": of.position, "nsfw": of.nsfw,
                   "permission_overwrites": overwrites}  # fmt: skip


def guild(of: Guild, with_parts_for: int | None = None) -> Json:
    """A guild object; with `with_parts_for` as GUILD_CREATE has it for this user: channels,
    threads, and of the members only the user itself, as for a bot without presences."""
    body: Json = {
        "id": str(of.id), "name": of.name, "icon": None, "owner_id": str(of.owner_id),
        "roles": [role(each) for each in of.roles.values()], "emojis": [], "stickers": [],
        "features": [], "verification_level": 0, "default_message_notifications": 1,
        "explicit_content_filter": 0, "mfa_level": 0, "nsfw_level": 0, "premium_tier": 0,
        "preferred_locale": "en-US", "afk_channel_id": None, "afk_timeout": 300,
        "system_channel_id": None, "system_channel_flags": 0, "rules_channel_id": None,
        "description": None, "splash": None, "banner": None, "vanity_url_code": None,
        "max_members": 500_000, "approximate_member_count": len(of.members),
    }  # fmt: skip
    if with_parts_for is None:
        return body
    everything = of.channels.values()
    return body | {
        "channels": [channel(each) for each in everything if each.kind != PUBLIC_THREAD],
        "threads": [channel(each) for each in everything if each.kind == PUBLIC_THREAD],
        "members": [member(each) for each in of.members.values() if each.user.id == with_parts_for],
        "member_count": len(of.members), "large": False, "unavailable": False,
        "joined_at": iso(of.members[with_parts_for].joined_at), "voice_states": [],
        "presences": [], "stage_instances": [], "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }  # fmt: skip


def webhook(of: Webhook, api_base: str, with_token: bool = True) -> Json:
    """A webhook object; Discord gives the token only of webhooks that the asking bot owns."""
    body: Json = {
        "id": str(of.id), "type": 1, "channel_id": str(of.channel_id), "name": of.name,
        "guild_id": str(of.guild_id), "avatar": None,
        "application_id": None if of.application_id is None else str(of.application_id),
    }  # fmt: skip
    if of.user is not None:
        body["user"] = user(of.user)
    if with_token:
        body |= {"token": of.token, "url": f"{api_base}/webhooks/{of.id}/{of.token}"}
    return body


def attachment(of: Attachment, channel_id: int, site: str) -> Json:
    """An attachment object, with an address where its bytes really are."""
    url = f"{site}/attachments/{channel_id}/{of.id}/{of.filename}"
    body: Json = {"id": str(of.id), "filename": of.filename, "size": len(of.body), "url": url,
                  "proxy_url": url}  # fmt: skip
    optional = {"content_type": of.content_type, "description": of.description}
    return body | {name: value for name, value in optional.items() if value is not None}


def emoji(name: str) -> Json:
    """An emoji object of a Unicode emoji, or of `name:id`."""
    word, _, number = name.partition(":")
    return {"id": number or None, "name": word, "animated": False}


def _author(of: Message) -> Json:
    if of.webhook_id is None or of.name is None:
        return user(of.author)
    avatar = of.avatar_url and hashlib.md5(of.avatar_url.encode()).hexdigest()
    return {"id": str(of.webhook_id), "username": of.name, "avatar": avatar, "bot": True,
            "discriminator": "0000", "global_name": None, "public_flags": 0}  # fmt: skip


def message(of: Message, world: World, site: str, seen_by: int | None = None) -> Json:
    """A message object as REST gives it, `me` in its reactions meaning `seen_by`."""
    body: Json = {
        "id": str(of.id), "channel_id": str(of.channel_id), "author": _author(of),
        "content": of.content, "timestamp": iso(time_of(of.id)),
        "edited_timestamp": None if of.edited_at is None else iso(of.edited_at), "tts": of.tts,
        "mention_everyone": of.mentions_everyone, "type": of.kind, "flags": of.flags,
        "mentions": [user(world.users[each]) for each in of.mention_ids if each in world.users],
        "mention_roles": [str(each) for each in of.mention_role_ids], "pinned": False,
        "attachments": [attachment(each, of.channel_id, site) for each in of.attachments],
        "embeds": of.embeds, "components": of.components,
    }  # fmt: skip
    if of.reactions:
        body["reactions"] = [
            {"emoji": emoji(name), "count": len(who), "me": seen_by in who, "me_burst": False,
             "count_details": {"burst": 0, "normal": len(who)}, "burst_colors": []}
            for name, who in of.reactions.items()
        ]  # fmt: skip
    if of.nonce is not None:
        body["nonce"] = of.nonce
    if of.webhook_id is not None:
        body["webhook_id"] = str(of.webhook_id)
    if of.application_id is not None:
        body["application_id"] = str(of.application_id)
    if of.interaction is not None:
        body["interaction_metadata"] = of.interaction
    if of.reference_id is not None:
        reference: Json = {"type": 0, "message_id": str(of.reference_id)}
        reference["channel_id"] = str(of.channel_id)
        if of.guild_id is not None:
            reference["guild_id"] = str(of.guild_id)
        body["message_reference"] = reference
        here = of.reference is not None and still_there(of.reference, world)
        body["referenced_message"] = (
            message(of.reference, world, site, seen_by) if here and of.reference else None
        )
        if body["referenced_message"] is not None:  # one level only, as Discord
            body["referenced_message"].pop("referenced_message", None)
    return body


def still_there(of: Message, world: World) -> bool:
    """Whether a message has not been deleted."""
    where = world.channels.get(of.channel_id)
    return where is not None and where.history.get(of.id) is of


def message_event(body: Json, of: Message, world: World) -> Json:
    """A message object as the gateway gives it: with the guild, and the author's membership."""
    home = None if of.guild_id is None else world.guilds.get(of.guild_id)
    if home is None:
        return body
    body = {**body, "guild_id": str(home.id)}
    membership = home.members.get(of.author.id)
    if membership is not None and of.webhook_id is None:
        body["member"] = member(membership, with_user=False)
    body["mentions"] = [
        {**each, "member": member(home.members[int(each["id"])], with_user=False)}
        if int(each["id"]) in home.members else each
        for each in body["mentions"]
    ]  # fmt: skip
    return body


def hidden(body: Json) -> Json:
    """A message as a bot without the Message Content intent sees it."""
    return {**body, "content": "", "embeds": [], "attachments": [], "components": []}


def readable_by(of: Message, bot: Bot, has_intent: bool) -> bool:
    """Whether a bot gets a message's text: its own, private ones, those that mention it, or all
    of them with the intent. Lines of the bot's own webhooks are hidden: Discord promises them to
    nobody.

    Source: https://docs.discord.com/developers/events/gateway#message-content-intent
    """
    return (has_intent or of.guild_id is None or bot.id in of.mention_ids
            or (of.author.id == bot.id and of.webhook_id is None)
            or (of.interaction is not None and of.application_id == bot.id))  # fmt: skip


def interaction_member(world: World, where: Channel, of: Member) -> Json:
    """A member with its permissions in a channel, as interactions have it."""
    return {**member(of), "permissions": str(permissions_in(world, where, of.user.id))}


def without(body: object, names: frozenset[str]) -> object:
    """A body without some fields at any depth: the shape of a less complete server."""
    if isinstance(body, dict):
        return {key: without(value, names) for key, value in body.items() if key not in names}
    if isinstance(body, list):
        return [without(each, names) for each in body]
    return body


def bucket_hash(name: str) -> str:
    """A stable opaque name of a rate limit's bucket."""
    return f"{zlib.crc32(name.encode()):08x}"

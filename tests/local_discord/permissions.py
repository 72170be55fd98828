"""Who may do what: Discord's bits and its algorithm over roles and overwrites. Pure functions on
the world; they know nothing about requests.

Source: https://docs.discord.com/developers/topics/permissions
"""

from __future__ import annotations

from .world import PUBLIC_THREAD, Channel, Guild, Member, World

ADMINISTRATOR = 1 << 3
MANAGE_CHANNELS = 1 << 4
MANAGE_GUILD = 1 << 5
ADD_REACTIONS = 1 << 6
VIEW_CHANNEL = 1 << 10
SEND_MESSAGES = 1 << 11
MANAGE_MESSAGES = 1 << 13
EMBED_LINKS = 1 << 14
ATTACH_FILES = 1 << 15
READ_MESSAGE_HISTORY = 1 << 16
MENTION_EVERYONE = 1 << 17
MANAGE_NICKNAMES = 1 << 27
MANAGE_ROLES = 1 << 28
MANAGE_WEBHOOKS = 1 << 29
USE_APPLICATION_COMMANDS = 1 << 31
MANAGE_THREADS = 1 << 34
SEND_MESSAGES_IN_THREADS = 1 << 38
ALL = (1 << 50) - 1

EVERYONE_PERMISSIONS = (
    VIEW_CHANNEL | SEND_MESSAGES | READ_MESSAGE_HISTORY | ADD_REACTIONS | ATTACH_FILES
    | EMBED_LINKS | USE_APPLICATION_COMMANDS | SEND_MESSAGES_IN_THREADS
)  # fmt: skip
"""What a new guild lets everybody do."""

BOT_PERMISSIONS = EVERYONE_PERMISSIONS | MANAGE_WEBHOOKS | MANAGE_ROLES | MANAGE_MESSAGES
"""What a bot that writes through webhooks and keeps a role per friend asks for."""


def base_permissions(guild: Guild, member: Member) -> int:
    """A member's permissions in the guild, before any channel's overwrites."""
    if guild.owner_id == member.user.id:
        return ALL
    permissions = guild.everyone.permissions
    for role_id in member.role_ids:
        role = guild.roles.get(role_id)
        if role is not None:
            permissions |= role.permissions
    return ALL if permissions & ADMINISTRATOR else permissions


def with_overwrites(permissions: int, guild: Guild, member: Member, channel: Channel) -> int:
    """`permissions` after the overwrites of a channel: @everyone, then roles, then the member."""
    by_target = {each.target: each for each in channel.overwrites}
    everyone = by_target.get(guild.id)
    if everyone is not None:
        permissions = permissions & ~everyone.deny | everyone.allow
    allow = deny = 0
    for role_id in member.role_ids:
        overwrite = by_target.get(role_id)
        if overwrite is not None:
            allow |= overwrite.allow
            deny |= overwrite.deny
    permissions = permissions & ~deny | allow
    own = by_target.get(member.user.id)
    return permissions if own is None else permissions & ~own.deny | own.allow


def permissions_in(world: World, channel: Channel, user_id: int) -> int:
    """What a user may do in a channel; 0 where the user is not a member at all.

    In a private chat both may read and write. A thread has its parent's overwrites.
    """
    guild = world.guild_of(channel)
    if guild is None:
        inside = any(each.id == user_id for each in channel.recipients)
        return EVERYONE_PERMISSIONS if inside else 0
    member = guild.members.get(user_id)
    if member is None:
        return 0
    permissions = base_permissions(guild, member)
    if permissions == ALL:
        return ALL
    of = channel
    if channel.kind == PUBLIC_THREAD and channel.parent_id in guild.channels:
        of = guild.channels[channel.parent_id]
    permissions = with_overwrites(permissions, guild, member, of)
    # Without the sight of a channel there is nothing else in it, and without writing no pings.
    if not permissions & VIEW_CHANNEL:
        return 0
    if not permissions & SEND_MESSAGES:
        permissions &= ~(MENTION_EVERYONE | ATTACH_FILES | EMBED_LINKS)
    return permissions


def highest_role(guild: Guild, member: Member) -> int:
    """The position of a member's highest role; the owner is above all."""
    if guild.owner_id == member.user.id:
        return 1 << 30
    return max((guild.roles[each].position for each in member.role_ids if each in guild.roles),
               default=0)  # fmt: skip

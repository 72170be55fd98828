"""Routes of accounts, applications, guilds, members and roles.

Source: https://docs.discord.com/developers/resources/guild and its neighbours
"""

from __future__ import annotations

from . import shapes
from .errors import (
    INVALID_ROLE,
    MISSING_ACCESS,
    MISSING_PERMISSIONS,
    TOO_MANY_ROLES,
    UNKNOWN_GUILD,
    UNKNOWN_MEMBER,
    UNKNOWN_ROLE,
    UNKNOWN_USER,
    Refused,
    too_long,
)
from .permissions import MANAGE_ROLES, base_permissions, highest_role
from .rest import Call
from .stage import remove_role, tell_member, tell_role
from .world import PUBLIC_THREAD, Guild, Json, Member, Role

MOST_ROLES = 250


async def get_gateway(call: Call) -> Json:
    """GET /gateway, which needs no token"""
    return {"url": call.service.gateway_url}


async def get_bot_gateway(call: Call) -> Json:
    """GET /gateway/bot"""
    gateway = call.service.gateway
    total = gateway.rules.identifies_a_day
    left = max(total - gateway.identified[call.bot.id], 0)
    limit = {"total": total, "remaining": left, "reset_after": 86_400_000, "max_concurrency": 1}
    return {"url": call.service.gateway_url, "shards": 1, "session_start_limit": limit}


async def get_me(call: Call) -> Json:
    """GET /users/@me"""
    return shapes.me(call.bot)


async def get_user(call: Call) -> Json:
    """GET /users/{user_id}"""
    user = call.service.world.users.get(call.id_of("user_id"))
    if user is None:
        raise Refused(UNKNOWN_USER)
    return shapes.user(user)


async def get_my_guilds(call: Call) -> list[Json]:
    """GET /users/@me/guilds"""
    return [
        {"id": str(each.id), "name": each.name, "icon": None, "owner": False, "features": [],
         "permissions": str(base_permissions(each, each.members[call.bot.id]))}
        for each in call.service.guilds_of(call.bot)
    ]  # fmt: skip


async def leave_guild(call: Call) -> None:
    """DELETE /users/@me/guilds/{guild_id}"""
    guild = call.service.world.guilds.get(call.id_of("guild_id"))
    if guild is None or call.bot.id not in guild.members:
        raise Refused(UNKNOWN_GUILD)
    del guild.members[call.bot.id]
    call.service.tell_bot(call.bot, "GUILD_DELETE", {"id": str(guild.id)}, "guilds")


async def get_application(call: Call) -> Json:
    """GET /applications/@me and /oauth2/applications/@me"""
    return shapes.application(call.bot)


async def get_guild(call: Call) -> Json:
    """GET /guilds/{guild_id}"""
    return shapes.guild(call.guild())


async def get_channels(call: Call) -> list[Json]:
    """GET /guilds/{guild_id}/channels: threads are not among them"""
    channels = call.guild().channels.values()
    return [shapes.channel(each) for each in channels if each.kind != PUBLIC_THREAD]


async def get_active_threads(call: Call) -> Json:
    """GET /guilds/{guild_id}/threads/active"""
    channels = call.guild().channels.values()
    threads = [shapes.channel(each) for each in channels if each.kind == PUBLIC_THREAD]
    return {"threads": threads, "members": []}


async def get_members(call: Call) -> list[Json]:
    """GET /guilds/{guild_id}/members, for those with the members intent"""
    guild = call.guild()
    if "members" not in call.bot.privileged:
        raise Refused(MISSING_ACCESS)
    query = call.request.query
    after, limit = int(query.get("after", 0)), int(query.get("limit", 1))
    found = sorted(each for each in guild.members if each > after)[:limit]
    return [shapes.member(guild.members[each]) for each in found]


def _member(call: Call, guild: Guild) -> Member:
    member = guild.members.get(call.id_of("user_id"))
    if member is None:
        raise Refused(UNKNOWN_MEMBER)
    return member


async def get_member(call: Call) -> Json:
    """GET /guilds/{guild_id}/members/{user_id}"""
    return shapes.member(_member(call, call.guild()))


async def edit_me(call: Call) -> Json:
    """PATCH /guilds/{guild_id}/members/@me: the bot's own nickname"""
    guild = call.guild()
    member = guild.members[call.bot.id]
    if "nick" in call.form:
        too_long("nick", call.form["nick"] or "", 32)
        member.nick = call.form["nick"] or None
    tell_member(call.service, guild, member)
    return shapes.member(member)


async def get_roles(call: Call) -> list[Json]:
    """GET /guilds/{guild_id}/roles"""
    return [shapes.role(each) for each in call.guild().roles.values()]


def _role(call: Call, guild: Guild) -> Role:
    """The role in the path, if it is below the bot's highest, as Discord demands for changes."""
    role = guild.roles.get(call.id_of("role_id"))
    if role is None:
        raise Refused(UNKNOWN_ROLE)
    if role.position >= highest_role(guild, guild.members[call.bot.id]):
        raise Refused(MISSING_PERMISSIONS)
    return role


async def create_role(call: Call) -> Json:
    """POST /guilds/{guild_id}/roles: at the bottom, above @everyone only"""
    guild, form = call.guild(MANAGE_ROLES), call.form
    if len(guild.roles) >= MOST_ROLES:
        raise Refused(TOO_MANY_ROLES)
    granted = int(form.get("permissions") or 0)
    own = base_permissions(guild, guild.members[call.bot.id])
    if granted & ~own:
        raise Refused(MISSING_PERMISSIONS)
    name = str(form.get("name") or "new role")
    too_long("name", name, 100, 1)
    for each in guild.roles.values():
        each.position += each.id != guild.id
    role = Role(call.service.world.snowflakes.new(), guild.id, name, granted,
                bool(form.get("mentionable")), 1)  # fmt: skip
    guild.roles[role.id] = role
    _fill(role, form)
    tell_role(call.service, role, "GUILD_ROLE_CREATE")
    return shapes.role(role)


def _fill(role: Role, form: Json) -> None:
    colors = form.get("colors") or {}
    role.color = int(colors.get("primary_color") or form.get("color") or role.color)
    role.hoist = bool(form.get("hoist", role.hoist))
    role.mentionable = bool(form.get("mentionable", role.mentionable))


async def edit_role(call: Call) -> Json:
    """PATCH /guilds/{guild_id}/roles/{role_id}"""
    role = _role(call, call.guild(MANAGE_ROLES))
    if call.form.get("name") is not None:
        too_long("name", str(call.form["name"]), 100, 1)
        role.name = str(call.form["name"])
    if call.form.get("permissions") is not None:
        role.permissions = int(call.form["permissions"])
    _fill(role, call.form)
    tell_role(call.service, role, "GUILD_ROLE_UPDATE")
    return shapes.role(role)


async def delete_role(call: Call) -> None:
    """DELETE /guilds/{guild_id}/roles/{role_id}"""
    guild = call.guild(MANAGE_ROLES)
    role = _role(call, guild)
    if role.id == guild.id or role.bot_id is not None:
        raise Refused(INVALID_ROLE)
    remove_role(call.service, role)


async def give_role(call: Call) -> None:
    """PUT /guilds/{guild_id}/members/{user_id}/roles/{role_id}"""
    guild = call.guild(MANAGE_ROLES)
    role, member = _role(call, guild), _member(call, guild)
    if role.id not in member.role_ids:
        member.role_ids.append(role.id)
        tell_member(call.service, guild, member)


async def take_role(call: Call) -> None:
    """DELETE /guilds/{guild_id}/members/{user_id}/roles/{role_id}"""
    guild = call.guild(MANAGE_ROLES)
    role, member = _role(call, guild), _member(call, guild)
    if role.id in member.role_ids:
        member.role_ids.remove(role.id)
        tell_member(call.service, guild, member)

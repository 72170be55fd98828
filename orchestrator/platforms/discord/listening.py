"""May the friends hear what is said in another channel, and so repeat it on their stage?

Only if whoever may view the stage may view that channel too. It is judged from the server's roles
and both channels' permission overwrites alone: without the list of members, which Discord gives
only to bots with a privileged intent, anybody may have any roles. So a refusal may be stricter than
today's members make necessary, and stays right when somebody gets or loses a role.

The algorithm is the documented one, of View Channel only:
https://docs.discord.com/developers/topics/permissions#permission-overwrites
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from types import MappingProxyType

import discord

NOBODY_KNOWN: Mapping[int, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a channel is not listened to. `who` would hear of what they may not view there; "" where
    that is not the reason."""

    who: str
    text: str
    """With the channel's name, as a sentence without its stop."""
    remedy: str = ""

    @property
    def reason(self) -> str:
        """All of it, as a sentence for the log."""
        return f"{self.text}; {self.remedy}." if self.remedy else f"{self.text}."


@dataclass(frozen=True, slots=True)
class RoleViews:
    """What a role of the server says of viewing channels."""

    name: str
    sees_all: bool = False
    """Administrator."""
    views: bool = False
    """View Channels, for the whole server."""


@dataclass(frozen=True, slots=True)
class Overwrite:
    """What a channel says to one role or member of View Channel; both False: nothing."""

    allow: bool = False
    deny: bool = False


SILENT = Overwrite()


@dataclass(frozen=True, slots=True)
class ChannelViews:
    """Overwrites of a channel; `everyone` is that of @everyone."""

    everyone: Overwrite = SILENT
    roles: Mapping[int, Overwrite] = field(default_factory=dict)
    members: Mapping[int, Overwrite] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServerViews:
    """A server's roles, without @everyone and without those that only the bot itself can have."""

    everyone: RoleViews
    roles: Mapping[int, RoleViews]

    def may_view(self, channel: ChannelViews, roles: tuple[int, ...], member: Overwrite) -> bool:
        """Whether somebody with these roles and this overwrite of their own may view the channel.
        Roles are anybody's but the owner's, who may always."""
        held = [self.everyone, *(self.roles[role] for role in roles)]
        if any(role.sees_all for role in held):
            return True
        may = any(role.views for role in held)
        may = _after(may, channel.everyone)
        of_roles = [channel.roles.get(role, SILENT) for role in roles]
        may = _after(may, Overwrite(any(o.allow for o in of_roles), any(o.deny for o in of_roles)))
        return _after(may, member)

    def left_out(
        self, stage: ChannelViews, other: ChannelViews, owner: int = 0
    ) -> tuple[tuple[int, ...], int | None] | None:
        """Roles, and the member with an overwrite of their own, with which somebody may view
        `stage` and not `other`; None if nobody can. No roles: @everyone."""
        members = [m for m in {**stage.members, **other.members} if m != owner]
        for member in (None, *members):
            on_stage = stage.members.get(member, SILENT) if member else SILENT
            in_other = other.members.get(member, SILENT) if member else SILENT
            for roles in self._mixtures(stage, other):
                if self.may_view(stage, roles, on_stage) and not self.may_view(
                    other, roles, in_other
                ):
                    return roles, member
        return None

    def _mixtures(self, stage: ChannelViews, other: ChannelViews) -> Iterator[tuple[int, ...]]:
        """Sets of roles that suffice to find somebody: none, each, and each two. Where more roles
        let somebody view one channel and not the other, so do two of them: one that lets them view
        the stage, and one that hides the other channel. Of roles that say the same one is enough.
        """
        alike: dict[object, int] = {}
        for role, views in self.roles.items():
            says = (stage.roles.get(role, SILENT), other.roles.get(role, SILENT))
            alike.setdefault((views.sees_all, views.views, *says), role)
        yield ()
        yield from ((role,) for role in alike.values())
        yield from combinations(alike.values(), 2)


def _after(may: bool, overwrite: Overwrite) -> bool:
    """Deny is applied first, so allow wins."""
    return overwrite.allow or (may and not overwrite.deny)


def may_listen(
    stage: discord.abc.GuildChannel | discord.Thread,
    other: object,
    *,
    me: discord.Member | None = None,
    names: Mapping[int, str] = NOBODY_KNOWN,
) -> Refusal | None:
    """Whether what is said in `other` may be heard on the stage's channel; None: it may. To be
    asked again when channels or roles of the server change. `me` is the bot where discord.py has
    not cached it, and `names` are those of members that it does not know."""
    if other is None:
        return Refusal("", "a channel in listen is not there, or hidden from the bot",
                       "look which with: botconvo doctor discord")  # fmt: skip
    name = f"#{getattr(other, 'name', other)}"
    if isinstance(stage, discord.Thread):
        if stage.parent is None:
            return Refusal("", f"{name} is not listened to: the stage's channel is not known")
        stage = stage.parent  # who views a thread may view its channel
    if not isinstance(other, discord.TextChannel):
        return Refusal("", f"{name} is not listened to: it is no text channel")
    if other.guild.id != stage.guild.id:
        return Refusal("", f"{name} is not listened to: it is of another server")
    me = me or other.guild.me
    if not other.permissions_for(me).view_channel:
        return Refusal("", f"{name} is not listened to: the bot itself may not view it",
                       "give it View Channel there")  # fmt: skip
    if other.is_nsfw() and not getattr(stage, "nsfw", False):
        return Refusal("", f"{name} is not listened to: it is age-restricted, and #{stage.name} "
                       "is not")  # fmt: skip
    server, owner = _server(stage.guild), stage.guild.owner_id or 0
    found = server.left_out(_channel(stage, me), _channel(other, me), owner)
    if found is None:
        return None
    who = _in_words(stage.guild, *found, names)
    return Refusal(
        who,
        f"{name} is not listened to: {who} may view #{stage.name} and perhaps not {name}, and "
        "would read there what was said here",
        "let them view both, or neither",
    )


def _server(guild: discord.Guild) -> ServerViews:
    def views(role: discord.Role) -> RoleViews:
        may = role.permissions
        return RoleViews(role.name, may.administrator, may.view_channel)

    # The bot's own role is nobody else's, and the bot views both channels.
    others = [r for r in guild.roles if not r.is_default() and r != guild.self_role]
    return ServerViews(views(guild.default_role), {role.id: views(role) for role in others})


def _channel(channel: discord.abc.GuildChannel, me: discord.Member) -> ChannelViews:
    roles: dict[int, Overwrite] = {}
    members: dict[int, Overwrite] = {}
    for target, of in channel.overwrites.items():
        # Who is not cached comes as a discord.Object that knows its kind.
        is_role = isinstance(target, discord.Role) or getattr(target, "type", None) is discord.Role
        if target.id != me.id:
            kept = roles if is_role else members
            kept[target.id] = Overwrite(of.view_channel is True, of.view_channel is False)
    everyone = roles.pop(channel.guild.id, SILENT)
    return ChannelViews(everyone, roles, members)


def _in_words(
    guild: discord.Guild, roles: tuple[int, ...], member: int | None, names: Mapping[int, str]
) -> str:
    if member is not None:
        known = guild.get_member(member)
        return f"the member {known.display_name if known else names.get(member, member)}"
    held = [role.name for role in map(guild.get_role, roles) if role]
    if len(held) > 1:
        return f"somebody with the roles {' and '.join(held)}"
    return f"the role {held[0]}" if held else "@everyone"

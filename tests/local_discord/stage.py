"""Changes of the world as its owner makes them, and the events that tell the bots: guilds,
channels, roles, members, webhooks, tokens. Whether somebody may is not asked here."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from . import posting, shapes
from .people import Person
from .permissions import BOT_PERMISSIONS, EVERYONE_PERMISSIONS
from .service import Service
from .world import (
    PUBLIC_THREAD,
    Bot,
    Channel,
    Guild,
    Json,
    Member,
    Message,
    Overwrite,
    Role,
    User,
    Webhook,
)

Account = Person | Bot
FATAL_CLOSE = 4004


def remove_channel(service: Service, channel: Channel) -> None:
    """Delete a channel with its threads and webhooks."""
    guild, body = service.world.guild_of(channel), shapes.channel(channel)
    service.world.forget_channel(channel)
    if guild is not None:
        event = "THREAD_DELETE" if channel.kind == PUBLIC_THREAD else "CHANNEL_DELETE"
        service.tell_guild(guild, event, body, "guilds")


def remove_role(service: Service, role: Role) -> None:
    """Delete a role, from members and overwrites too."""
    guild = service.world.guilds[role.guild_id]
    del guild.roles[role.id]
    body = {"guild_id": str(guild.id), "role_id": str(role.id)}
    service.tell_guild(guild, "GUILD_ROLE_DELETE", body, "guilds")
    for member in guild.members.values():
        if role.id in member.role_ids:
            member.role_ids.remove(role.id)
            tell_member(service, guild, member)
    for channel in guild.channels.values():
        channel.overwrites = [each for each in channel.overwrites if each.target != role.id]


def tell_member(service: Service, guild: Guild, member: Member) -> None:
    """Tell the bots that a member changed; a bot always learns of itself."""
    body = {**shapes.member(member), "guild_id": str(guild.id)}
    service.tell_guild(guild, "GUILD_MEMBER_UPDATE", body, "members", member.user.id)


def tell_role(service: Service, role: Role, event: str) -> None:
    """Tell the bots of a new or a changed role."""
    body = {"guild_id": str(role.guild_id), "role": shapes.role(role)}
    service.tell_guild(service.world.guilds[role.guild_id], event, body, "guilds")


class Stage(Service):
    """The world's owner: everything that a test sets up and takes away."""

    # -- making -------------------------------------------------------------------------------

    def add_guild(self, name: str) -> Guild:
        """A guild, owned by nobody in particular; everyone may read and write."""
        guild = Guild(self.world.snowflakes.new(), name, self.world.snowflakes.new())
        guild.roles[guild.id] = Role(guild.id, guild.id, "@everyone", EVERYONE_PERMISSIONS)
        self.world.guilds[guild.id] = guild
        return guild

    def add_channel(
        self, guild: Guild, name: str, overwrites: Iterable[Overwrite] = (), topic: str = ""
    ) -> Channel:
        """A text channel."""
        channel = Channel(self.world.snowflakes.new(), guild.id, name, topic=topic or None,
                          position=len(guild.channels), overwrites=list(overwrites))  # fmt: skip
        self.world.channels[channel.id] = guild.channels[channel.id] = channel
        self.tell_guild(guild, "CHANNEL_CREATE", shapes.channel(channel), "guilds")
        return channel

    def add_thread(self, channel: Channel, name: str) -> Channel:
        """A public thread in a text channel."""
        guild = self.world.guilds[channel.guild_id or 0]
        thread = Channel(self.world.snowflakes.new(), guild.id, name, PUBLIC_THREAD, channel.id)
        self.world.channels[thread.id] = guild.channels[thread.id] = thread
        body = {**shapes.channel(thread), "newly_created": True}
        self.tell_guild(guild, "THREAD_CREATE", body, "guilds")
        return thread

    def add_role(
        self, guild: Guild, name: str, permissions: int = 0, *, mentionable: bool = False,
        bot_id: int | None = None,
    ) -> Role:  # fmt: skip
        """A role above those that are there."""
        role = Role(self.world.snowflakes.new(), guild.id, name, permissions, mentionable,
                    len(guild.roles), bot_id=bot_id)  # fmt: skip
        guild.roles[role.id] = role
        tell_role(self, role, "GUILD_ROLE_CREATE")
        return role

    def add_person(
        self, name: str, *guilds: Guild, nick: str | None = None, roles: Iterable[Role] = ()
    ) -> Person:
        """A person, member of some guilds."""
        user = User(self.world.snowflakes.new(), name)
        self.world.users[user.id] = user
        person = Person(self, user)
        for guild in guilds:
            self.join(person, guild, nick=nick, roles=roles)
        return person

    def add_bot(
        self, name: str, *guilds: Guild, permissions: int = BOT_PERMISSIONS,
        privileged: Iterable[str] = ("members", "message_content"),
    ) -> Bot:  # fmt: skip
        """A bot with a role of its own in each guild. `privileged`: the intents that are switched
        on in the developer portal, of "members", "presences" and "message_content"."""
        world = self.world
        user, owner = User(world.snowflakes.new(), name, is_bot=True), User(
            world.snowflakes.new(), f"owner of {name}")  # fmt: skip
        bot = Bot(user, _token(), owner, set(privileged))
        world.users |= {user.id: user, owner.id: owner}
        world.bots[user.id] = bot
        for guild in guilds:
            self.join(bot, guild, permissions=permissions)
        return bot

    def add_webhook(self, channel: Channel, name: str) -> Webhook:
        """A webhook that a person made by hand; it belongs to no bot."""
        webhook = Webhook(self.world.snowflakes.new(), secrets.token_urlsafe(51), channel.id,
                          channel.guild_id or 0, name, None)  # fmt: skip
        self.world.webhooks[webhook.id] = webhook
        return webhook

    # -- changing -----------------------------------------------------------------------------

    def join(
        self, who: Account, guild: Guild, *, nick: str | None = None, roles: Iterable[Role] = (),
        permissions: int = BOT_PERMISSIONS,
    ) -> Member:  # fmt: skip
        """Make somebody a member; a bot gets its role with `permissions` and GUILD_CREATE."""
        member = Member(who.user, guild.id, nick, [each.id for each in roles])
        guild.members[who.user.id] = member
        body = {**shapes.member(member), "guild_id": str(guild.id)}
        self.tell_guild(guild, "GUILD_MEMBER_ADD", body, "members")
        if isinstance(who, Bot):
            role = self.add_role(guild, who.user.name, permissions, bot_id=who.id)
            member.role_ids.append(role.id)
            self.tell_bot(who, "GUILD_CREATE", shapes.guild(guild, who.id), "guilds")
        return member

    def kick(self, who: Account, guild: Guild) -> None:
        """Take somebody out of a guild; a bot's role goes too, its webhooks stay."""
        del guild.members[who.user.id]
        body = {"guild_id": str(guild.id), "user": shapes.user(who.user)}
        self.tell_guild(guild, "GUILD_MEMBER_REMOVE", body, "members")
        if isinstance(who, Bot):
            remove_role(self, self.bot_role(who, guild))
            self.tell_bot(who, "GUILD_DELETE", {"id": str(guild.id)}, "guilds")

    def bot_role(self, bot: Bot, guild: Guild) -> Role:
        """The role that a bot brought into a guild."""
        return next(each for each in guild.roles.values() if each.bot_id == bot.id)

    def revoke_token(self, bot: Bot) -> None:
        """Make a bot's token worthless, as when its owner resets it; its sessions end."""
        self.new_token(bot)
        self.faults.struck["token revoked"] += 1

    def new_token(self, bot: Bot) -> str:
        """Give a bot another token; sessions under the old one end with 4004."""
        bot.token = _token()
        self.gateway.end_sessions(bot, FATAL_CLOSE)
        return bot.token

    def set_privileged(self, bot: Bot, names: Iterable[str]) -> None:
        """Switch privileged intents on and off in the developer portal; running sessions keep
        what they had, as on Discord until they connect anew."""
        bot.privileged = set(names)

    def set_permissions(
        self, channel: Channel, target: Role | Account, *, allow: int = 0, deny: int = 0
    ) -> None:
        """Put an overwrite over a channel; without `allow` and `deny` it is taken off."""
        target_id = target.id if isinstance(target, Role) else target.user.id
        rest = [each for each in channel.overwrites if each.target != target_id]
        if allow or deny:
            rest.append(Overwrite(target_id, isinstance(target, Role), allow, deny))
        channel.overwrites = rest
        guild = self.world.guilds[channel.guild_id or 0]
        self.tell_guild(guild, "CHANNEL_UPDATE", shapes.channel(channel), "guilds")

    def set_role_permissions(self, role: Role, permissions: int) -> None:
        """Give a role other permissions; `guild.everyone` and `bot_role()` are roles too."""
        role.permissions = permissions
        tell_role(self, role, "GUILD_ROLE_UPDATE")

    # -- taking away --------------------------------------------------------------------------

    def delete_channel(self, channel: Channel) -> None:
        """Delete a channel with its threads and webhooks."""
        remove_channel(self, channel)

    def delete_role(self, role: Role) -> None:
        """Delete a role."""
        remove_role(self, role)

    def delete_webhook(self, webhook: Webhook) -> None:
        """Delete a webhook, as a moderator would in the channel's settings."""
        del self.world.webhooks[webhook.id]
        body: Json = {"guild_id": str(webhook.guild_id), "channel_id": str(webhook.channel_id)}
        guild = self.world.guilds[webhook.guild_id]
        self.tell_guild(guild, "WEBHOOKS_UPDATE", body, "webhooks")

    def delete_message(self, message: Message) -> None:
        """Delete a message, as a moderator would."""
        posting.delete(self, self.world.channels[message.channel_id], message)

    # -- looking ------------------------------------------------------------------------------

    def messages(self, channel: Channel, after: Message | None = None) -> list[Message]:
        """The messages of a channel, oldest first; `after`: only those after this one."""
        return channel.history.after(0 if after is None else after.id, None)

    def webhooks(self, channel: Channel) -> list[Webhook]:
        """The webhooks of a channel, oldest first."""
        return self.world.webhooks_of([channel.id])

    def roles(self, guild: Guild) -> list[Role]:
        """The roles of a guild without @everyone."""
        return [each for each in guild.roles.values() if each.id != guild.id]

    def commands(self, bot: Bot, guild: Guild | None = None) -> list[Json]:
        """The commands that a bot registered, for all guilds or for one."""
        return list(bot.commands.get(None if guild is None else guild.id, {}).values())


def _token() -> str:
    return f"{secrets.token_urlsafe(19)}.{secrets.token_urlsafe(4)}.{secrets.token_urlsafe(28)}"

"""What exists on our Discord: users, guilds, channels, messages, webhooks. Plain state that is
looked up by id; it refuses to know the protocol, who may do what, and who must be told."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from .history import History

# https://docs.discord.com/developers/reference#snowflakes
DISCORD_EPOCH_MS = 1_420_070_400_000

Json = dict[str, Any]


class Snowflakes:
    """Ids that only grow, with the time inside, as Discord's do: `created_at` of discord.py is
    right, and sorting by id is sorting by time."""

    def __init__(self) -> None:
        self._last = 0

    def new(self) -> int:
        """An id greater than every one before it."""
        now = (int(time.time() * 1000) - DISCORD_EPOCH_MS) << 22
        self._last = max(self._last + 1, now)
        return self._last


def time_of(snowflake: int) -> datetime:
    """The time inside an id, to the millisecond, in UTC."""
    return datetime.fromtimestamp(((snowflake >> 22) + DISCORD_EPOCH_MS) / 1000, UTC)


@dataclass(eq=False, slots=True)
class User:
    """An account, of a person or of a bot."""

    id: int
    name: str
    is_bot: bool = False
    takes_private_messages: bool = True

    @property
    def mention(self) -> str:
        """The text that mentions this user in a message."""
        return f"<@{self.id}>"


@dataclass(eq=False, slots=True)
class Role:
    """A role of one guild; the one with the guild's id is @everyone."""

    id: int
    guild_id: int
    name: str
    permissions: int = 0
    mentionable: bool = False
    position: int = 0
    color: int = 0
    hoist: bool = False
    bot_id: int | None = None

    @property
    def mention(self) -> str:
        """The text that mentions this role in a message."""
        return f"<@&{self.id}>"


@dataclass(slots=True)
class Overwrite:
    """Permissions of one role or member in one channel, over those of the guild."""

    target: int
    is_role: bool
    allow: int = 0
    deny: int = 0


@dataclass(eq=False, slots=True)
class Member:
    """A user in a guild."""

    user: User
    guild_id: int
    nick: str | None = None
    role_ids: list[int] = field(default_factory=list)
    joined_at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(eq=False, slots=True)
class Attachment:
    """A file of a message; its bytes are kept, so that they can be fetched again."""

    id: int
    filename: str
    body: bytes
    content_type: str | None = None
    description: str | None = None


@dataclass(eq=False, slots=True)
class Message:
    """One message. `name` and `avatar_url` are those of a webhook's line."""

    id: int
    channel_id: int
    guild_id: int | None
    author: User
    content: str
    name: str | None = None
    avatar_url: str | None = None
    webhook_id: int | None = None
    application_id: int | None = None
    kind: int = 0
    flags: int = 0
    tts: bool = False
    nonce: str | None = None
    edited_at: datetime | None = None
    reference: Message | None = None
    reference_id: int | None = None
    mention_ids: list[int] = field(default_factory=list)
    mention_role_ids: list[int] = field(default_factory=list)
    mentions_everyone: bool = False
    attachments: list[Attachment] = field(default_factory=list)
    embeds: list[Json] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    reactions: dict[str, list[int]] = field(default_factory=dict)
    interaction: Json | None = None

    @property
    def shown_name(self) -> str:
        """The name over the line, as people see it."""
        return self.name or self.author.name

    @property
    def ephemeral(self) -> bool:
        """Whether only the person who asked sees it."""
        return bool(self.flags & (1 << 6))


TEXT, DM, PUBLIC_THREAD = 0, 1, 11


@dataclass(eq=False, slots=True)
class Channel:
    """A text channel, a thread in one (`parent_id`) or a private chat (`recipients`)."""

    id: int
    guild_id: int | None
    name: str
    kind: int = TEXT
    parent_id: int | None = None
    topic: str | None = None
    position: int = 0
    nsfw: bool = False
    overwrites: list[Overwrite] = field(default_factory=list)
    recipients: list[User] = field(default_factory=list)
    history: History[Message] = field(default_factory=History)
    # (author, nonce) of the newest messages that asked for `enforce_nonce`, and their time
    nonces: deque[tuple[float, int, str, int]] = field(default_factory=lambda: deque(maxlen=500))

    @property
    def mention(self) -> str:
        """The text that links to this channel."""
        return f"<#{self.id}>"


@dataclass(eq=False, slots=True)
class Webhook:
    """A webhook: whoever has its token may write under any name."""

    id: int
    token: str
    channel_id: int
    guild_id: int
    name: str
    application_id: int | None
    user: User | None = None


@dataclass(eq=False, slots=True)
class Guild:
    """A guild (people say server) with its roles, members and channels."""

    id: int
    name: str
    owner_id: int
    roles: dict[int, Role] = field(default_factory=dict)
    members: dict[int, Member] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)

    @property
    def everyone(self) -> Role:
        """The role that everybody has."""
        return self.roles[self.id]


@dataclass(eq=False, slots=True)
class Bot:
    """A bot's account with what its owner chose in the developer portal. Its application has the
    id of its user, as every application made since 2016."""

    user: User
    token: str
    owner: User
    privileged: set[str]
    # guild id, or None for the commands of all guilds -> command id -> the command
    commands: dict[int | None, dict[int, Json]] = field(default_factory=dict)

    @property
    def id(self) -> int:
        """The user's id, and the application's."""
        return self.user.id

    @property
    def mention(self) -> str:
        """The text that mentions this bot in a message."""
        return self.user.mention


class World:
    """Everything, by id."""

    def __init__(self) -> None:
        self.snowflakes = Snowflakes()
        self.users: dict[int, User] = {}
        self.guilds: dict[int, Guild] = {}
        self.channels: dict[int, Channel] = {}
        self.webhooks: dict[int, Webhook] = {}
        self.bots: dict[int, Bot] = {}

    def bot_with(self, token: str) -> Bot | None:
        """The bot that this token belongs to."""
        return next((each for each in self.bots.values() if each.token == token), None)

    def guild_of(self, channel: Channel) -> Guild | None:
        """The guild of a channel; None for a private chat."""
        return None if channel.guild_id is None else self.guilds.get(channel.guild_id)

    def webhooks_of(self, channels: Iterable[int]) -> list[Webhook]:
        """The webhooks of some channels, oldest first."""
        wanted = set(channels)
        return [each for each in self.webhooks.values() if each.channel_id in wanted]

    def forget_channel(self, channel: Channel) -> list[Channel]:
        """Take a channel out, its threads and webhooks too; gives back all that went."""
        threads = [each for each in self.channels.values() if each.parent_id == channel.id]
        gone = [*threads, channel]
        for each in gone:
            del self.channels[each.id]
            guild = self.guild_of(each)
            if guild is not None:
                guild.channels.pop(each.id, None)
        for webhook in self.webhooks_of(each.id for each in gone):
            del self.webhooks[webhook.id]
        return gone

"""The heart of our Discord: the world, the gateway, the limits and the faults put together, and
who is told of what. It opens no socket and serves no route."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from . import shapes
from .faults import Faults
from .gateway import Gateway
from .mentions import Ping
from .permissions import VIEW_CHANNEL, permissions_in
from .rate_limits import Limits, RateLimiter
from .sessions import GatewayRules, Session
from .waiting import Changes
from .world import DM, Bot, Channel, Guild, Json, Message, User, World

if TYPE_CHECKING:
    from .interactions import Interaction


class Service:
    """Everything but sockets."""

    def __init__(self, limits: Limits | None, rules: GatewayRules) -> None:
        self.world = World()
        self.changes = Changes()
        self.limiter = RateLimiter(limits)
        self.gateway = Gateway(
            rules, self.changes, self.world.bot_with, self._guild_creates, self._ready,
            self._members_chunks,
        )  # fmt: skip
        self.faults = Faults(self.gateway, self.limiter.close_for)
        self.gateway.faults = self.faults
        self.pings: list[Ping] = []
        self.typings: Counter[tuple[int, int]] = Counter()
        self.requests: Counter[str] = Counter()
        self.refused_requests: Counter[int] = Counter()
        self.interactions: dict[str, Interaction] = {}
        self.port = 0

    @property
    def site(self) -> str:
        """Where the server listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def api_base(self) -> str:
        """For `discord.http.Route.BASE`."""
        return f"{self.site}/api/v10"

    @property
    def gateway_url(self) -> str:
        """For `DiscordWebSocket.DEFAULT_GATEWAY`."""
        return f"ws://127.0.0.1:{self.port}/gateway"

    @property
    def presences(self) -> dict[int, Json]:
        """Bot id -> the last presence that the bot sent."""
        return self.gateway.presences

    # -- telling ------------------------------------------------------------------------------

    def tell_guild(
        self, guild: Guild, event: str, body: Json, intent: str, always_to: int | None = None
    ) -> None:
        """Send an event to the bots in a guild that want it (`always_to`: a bot that gets it in
        any case)."""
        for session in self.gateway.sessions_of(None):
            bot = session.bot
            if bot.id in guild.members and (session.wants(intent) or bot.id == always_to):
                self.gateway.dispatch(session, event, body)
        self.changes.notify()

    def tell_bot(self, bot: Bot, event: str, body: Json, intent: str | None = None) -> None:
        """Send an event to one bot."""
        for session in self.gateway.sessions_of(bot):
            if session.wants(intent):
                self.gateway.dispatch(session, event, body)
        self.changes.notify()

    def tell_channel(
        self, channel: Channel, event: str, body_for: Callable[[Session], Json], intent: str
    ) -> None:
        """Send an event of a channel to the bots that see it. `intent`: of guilds; private chats
        have one of their own."""
        intent = intent if channel.guild_id is not None else f"dm_{intent}"
        for session in self.gateway.sessions_of(None):
            if not session.wants(intent):
                continue
            if permissions_in(self.world, channel, session.bot.id) & VIEW_CHANNEL:
                self.gateway.dispatch(session, event, body_for(session))
        self.changes.notify()

    def tell_message(self, channel: Channel, event: str, message: Message) -> None:
        """Send a message to the bots that see its channel, without its text where Discord hides
        it. The body is made once for all of them."""
        plain = shapes.message(message, self.world, self.site)
        full = shapes.message_event(plain, message, self.world)

        def body_for(session: Session) -> Json:
            body = self.seen(full, message, session.bot, session.wants("message_content"))
            # Only the one who sent a nonce gets it back.
            if message.nonce is not None and message.author.id != session.bot.id:
                body = {key: value for key, value in body.items() if key != "nonce"}
            return body

        self.tell_channel(channel, event, body_for, "messages")

    def seen(self, body: Json, message: Message, bot: Bot, has_intent: bool) -> Json:
        """A message's body as a bot sees it, the message that it answers included."""
        if not shapes.readable_by(message, bot, has_intent):
            body = shapes.hidden(body)
        answered = message.reference
        if answered is None or not body.get("referenced_message"):
            return body
        if shapes.readable_by(answered, bot, has_intent):
            return body
        return {**body, "referenced_message": shapes.hidden(body["referenced_message"])}

    def private_chat(self, one: User, other: User) -> Channel:
        """The private chat of two users, made at the first call."""
        both = {one.id, other.id}
        for channel in self.world.channels.values():
            if channel.kind == DM and {each.id for each in channel.recipients} == both:
                return channel
        channel = Channel(self.world.snowflakes.new(), None, "", DM, recipients=[one, other])
        self.world.channels[channel.id] = channel
        for each in both & self.world.bots.keys():
            body = shapes.channel(channel)
            self.tell_bot(self.world.bots[each], "CHANNEL_CREATE", body, "dm_messages")
        return channel

    # -- what only the world knows, for the gateway -------------------------------------------

    def guilds_of(self, bot: Bot) -> list[Guild]:
        """The guilds that a bot is in."""
        return [each for each in self.world.guilds.values() if bot.id in each.members]

    def _guild_creates(self, bot: Bot) -> Iterator[Json]:
        for guild in self.guilds_of(bot):
            yield shapes.guild(guild, with_parts_for=bot.id)

    def _ready(self, session: Session) -> Json:
        bot = session.bot
        flags = shapes.application(bot)["flags"]
        return {
            "v": 10, "user": shapes.me(bot), "session_id": session.id, "session_type": "normal",
            "guilds": [{"id": str(each.id), "unavailable": True} for each in self.guilds_of(bot)],
            "resume_gateway_url": self.gateway_url, "shard": [0, 1], "private_channels": [],
            "relationships": [], "application": {"id": str(bot.id), "flags": flags},
        }  # fmt: skip

    def _members_chunks(self, session: Session, asked: Json) -> Iterator[Json]:
        guild = self.world.guilds.get(int(asked.get("guild_id", 0)))
        if guild is None or session.bot.id not in guild.members:
            return
        chosen = list(self._chosen_members(session, guild, asked))
        # Discord sends at most a thousand in one chunk, and at least one chunk.
        chunks = [chosen[start : start + 1_000] for start in range(0, len(chosen) or 1, 1_000)]
        for index, chunk in enumerate(chunks):
            body: Json = {"guild_id": str(guild.id), "members": chunk, "not_found": [],
                          "chunk_index": index, "chunk_count": len(chunks)}  # fmt: skip
            yield body | ({"nonce": asked["nonce"]} if "nonce" in asked else {})

    def _chosen_members(self, session: Session, guild: Guild, asked: Json) -> Iterator[Json]:
        query, limit = str(asked.get("query") or "").casefold(), int(asked.get("limit") or 0)
        ids = asked.get("user_ids")
        wanted = None if ids is None else {int(each) for each in (ids if isinstance(ids, list)
                                                                  else [ids])}  # fmt: skip
        # The whole list is for those who have the members intent; others get themselves.
        whole = wanted is None and not query
        count = 0
        for member in guild.members.values():
            if wanted is not None and member.user.id not in wanted:
                continue
            if whole and not session.wants("members") and member.user.id != session.bot.id:
                continue
            if query and not (member.nick or member.user.name).casefold().startswith(query):
                continue
            count += 1
            if limit and count > limit:
                return
            yield shapes.member(member)

"""The listening server, and what tests wait for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Self, TypeVar

import yarl
from aiohttp import web

from .people import Person
from .rate_limits import Limits
from .routes import make_app
from .sessions import GatewayRules
from .stage import Stage
from .world import Bot, Channel, Guild, Message

T = TypeVar("T")
WAIT_S = 10.0
DEFAULT_LIMITS = Limits()


class LocalDiscord(Stage):
    """Our Discord on the loopback; an async context manager.

    `limits`: rate limits, those of Discord where nothing is said, None for none at all;
    `rules`: the gateway's numbers, such as the heartbeat's interval; `port`: 0 for any.
    """

    def __init__(
        self, *, limits: Limits | None = DEFAULT_LIMITS, rules: GatewayRules | None = None,
        port: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(Limits() if limits is DEFAULT_LIMITS else limits, rules or GatewayRules())
        self.port = port
        self.gateway.token_is_spent = self.revoke_token
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        await self.come_up()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *error: object) -> None:
        await self._stop()
        if kind is None and self.gateway.own_errors:
            raise RuntimeError("the local Discord made a mistake") from self.gateway.own_errors[0]

    async def come_up(self) -> None:
        """Listen; after `go_down` on the same port again, with the world as it was."""
        if self._runner is not None:
            return
        runner = web.AppRunner(make_app(self), access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        self._runner, self.port = runner, runner.addresses[0][1]

    async def go_down(self) -> None:
        """Close the listening socket and tear every connection."""
        self.faults.struck["went down"] += self._runner is not None
        await self._stop()

    async def _stop(self) -> None:
        runner, self._runner = self._runner, None
        if runner is None:
            return
        self.gateway.abort_all()
        await runner.cleanup()

    @contextlib.contextmanager
    def pointed(self) -> Iterator[None]:
        """Point the discord.py of this process here, and afterwards back to where it was."""
        import discord
        from discord.gateway import DiscordWebSocket
        from discord.http import Route

        before = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY, discord.Asset.BASE
        Route.BASE = self.api_base
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(self.gateway_url)
        discord.Asset.BASE = self.site
        try:
            yield
        finally:
            Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY, discord.Asset.BASE = before

    # -- waiting ------------------------------------------------------------------------------

    async def when(
        self, condition: Callable[[], T], timeout_s: float = WAIT_S, what: str = "the condition"
    ) -> T:
        """Wait until `condition` gives something true, looked at again at every change, and give
        that back. Raises TimeoutError."""
        return await self.changes.when(condition, timeout_s, what)

    async def when_posted(
        self, channel: Channel, count: int, *, after: Message | None = None,
        by: Person | Bot | str | None = None, timeout_s: float = WAIT_S,
    ) -> list[Message]:  # fmt: skip
        """Wait until a channel has at least `count` messages, and give them all.

        `after`: only those after this message; `by`: only those of a person, a bot, or of a
        webhook's name. Ephemeral answers are not in a channel.
        """
        found: list[Message] = []
        seen = 0 if after is None else after.id

        def posted() -> list[Message]:
            # Only what is new since the last look: a channel may have tens of thousands.
            nonlocal found, seen
            new = channel.history.after(seen, None)
            seen = new[-1].id if new else seen
            found += [each for each in new if _is_by(each, by)]
            if len(found) < count:
                return []
            found = [each for each in found if channel.history.get(each.id) is each]
            return found if len(found) >= count else []

        what = f"message {count} in #{channel.name} ({len(channel.history)} are there)"
        return await self.when(posted, timeout_s, what)

    async def when_ready(self, bot: Bot, sessions: int = 1, timeout_s: float = WAIT_S) -> None:
        """Wait until a bot has identified itself so many times in all."""
        await self.when(lambda: self.gateway.identified[bot.id] >= sessions, timeout_s,
                        f"IDENTIFY {sessions} of {bot.user.name}")  # fmt: skip

    async def when_resumed(self, bot: Bot, times: int = 1, timeout_s: float = WAIT_S) -> None:
        """Wait until a bot has resumed its session so many times in all."""
        await self.when(lambda: self.gateway.resumed[bot.id] >= times, timeout_s,
                        f"RESUME {times} of {bot.user.name}")  # fmt: skip

    async def when_commands(
        self, bot: Bot, count: int = 1, guild: Guild | None = None, timeout_s: float = WAIT_S
    ) -> None:
        """Wait until a bot has registered at least so many commands, for all guilds or one."""
        await self.when(lambda: len(self.commands(bot, guild)) >= count, timeout_s,
                        f"command {count} of {bot.user.name}")  # fmt: skip


def _is_by(message: Message, by: Person | Bot | str | None) -> bool:
    if by is None:
        return True
    if isinstance(by, str):
        return message.name == by
    return message.author.id == by.id

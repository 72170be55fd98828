"""The connections of this process: one per account, however many stages it serves, and all to one
server, which is all that discord.py can."""

from __future__ import annotations

from discord.gateway import DiscordWebSocket
from discord.http import Route
from pydantic import SecretStr

from orchestrator.errors import StageLost
from orchestrator.platforms.discord.connection import Connection


class Connections:
    """Who is connected, and how many stages need it."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[Connection, int]] = {}
        self._usual = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY

    def join(self, token: SecretStr, what: str, api_base: str, *, hears: bool) -> Connection:
        """The connection of an account, started; `leave` it when done. Raises StageLost for a
        second server in one process: discord.py knows only one."""
        for other, _ in self._open.values():
            if other.api_base != api_base:
                raise StageLost(
                    f"One show can be on one server of Discord's kind only, and {other.what} is on "
                    f"{other.api_base or 'Discord'}: run a show of its own for "
                    f"{api_base or 'Discord'}."
                )
        if not self._open and api_base:
            Route.BASE = api_base
        key = f"{hears} {token.get_secret_value()}"
        connection, users = self._open.get(key) or (
            Connection(token, what, api_base, hears=hears), 0,
        )  # fmt: skip
        self._open[key] = (connection, users + 1)
        return connection

    async def leave(self, connection: Connection) -> None:
        """Whoever leaves last ends it."""
        for key, (known, users) in list(self._open.items()):
            if known is connection:
                self._open[key] = (known, users - 1)
                if users == 1:
                    await connection.stop()
                    self._open.pop(key)
        if not self._open:
            Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = self._usual


CONNECTIONS = Connections()

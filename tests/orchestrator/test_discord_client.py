"""The client that discord.py makes of one account, at its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.local_discord import LocalDiscord
from tests.orchestrator.chat_house import PATIENCE_SECONDS
from tests.orchestrator.discord_house import House, connection, quick

from orchestrator.platforms.discord.connections import CONNECTIONS  # isort: skip  # loads discord.py

__all__ = ["quick"]  # a fixture


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with LocalDiscord(limits=None) as local:
        yield House(local, tmp_path)


async def test_a_client_that_ends_just_before_it_is_ready_says_nothing_more(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Between READY and ready, discord.py waits for more servers: here until it is told otherwise.
    monkeypatch.setattr(connection, "GUILD_WAIT_SECONDS", 1000.0)
    kept = CONNECTIONS.join(SecretStr(house.bot.token), "the bot", house.local.api_base, hears=True)
    logged_in = asyncio.Event()

    async def made(_: object) -> None:
        logged_in.set()

    kept.client_made.append(made)
    kept.start()
    client = kept.client
    await asyncio.wait_for(logged_in.wait(), PATIENCE_SECONDS)
    guild = await client.wait_for("guild_available", timeout=PATIENCE_SECONDS)
    getting_ready = client._connection._ready_task
    await CONNECTIONS.leave(kept)
    assert getting_ready is not None
    assert not getting_ready.done()
    client._connection.guild_ready_timeout = 0
    client._connection._ready_state.put_nowait(guild)  # it looks how long to wait after each
    await asyncio.wait_for(getting_ready, PATIENCE_SECONDS)

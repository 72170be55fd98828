"""Fixtures for the tests of our Discord."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from . import GatewayRules, LocalDiscord
from .ears import Scene


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    # A heart that beats often, so that a silent gateway is noticed within a test.
    rules = GatewayRules(heartbeat_interval_s=0.2, heartbeat_grace_s=1.0)
    async with LocalDiscord(rules=rules) as local:
        guild = local.add_guild("Friends")
        channel = local.add_channel(guild, "general")
        bot = local.add_bot("BotConvo", guild)
        with local.pointed():
            yield Scene(local, guild, channel, local.add_person("anna", guild), bot)


@pytest.fixture
async def http(scene: Scene) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bot {scene.bot.token}"}
    async with aiohttp.ClientSession(scene.local.api_base + "/", headers=headers) as session:
        yield session

"""Asks Discord as a bot without being seen online: by its REST interface alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import discord
from discord.http import Route
from pydantic import SecretStr

from orchestrator.checks.chat_stages import NotWell

PORTAL = "https://discord.com/developers/applications"


@asynccontextmanager
async def logged_in(token: SecretStr, api_base: str, what: str) -> AsyncIterator[discord.Client]:
    """A client that asks by REST only. Raises NotWell if the token is not taken."""
    usual, Route.BASE = Route.BASE, api_base or Route.BASE
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
    try:
        async with discord.Client(intents=discord.Intents.none()) as client:
            try:
                await client.login(token.get_secret_value())
            except discord.LoginFailure as error:
                raise NotWell(
                    f"Discord does not take {what}",
                    f"press Reset Token under Bot at {PORTAL}, and put the new token in its place",
                ) from error
            yield client
    finally:
        Route.BASE = usual

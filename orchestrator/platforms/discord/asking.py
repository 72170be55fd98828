"""Asks Discord as a bot without being seen online: by its REST interface alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import discord
from discord.http import Route
from pydantic import SecretStr

from orchestrator.errors import SettingsError
from orchestrator.sections import TokenSource
from orchestrator.tokens import Tokens

PORTAL = "https://discord.com/developers/applications"


class NotWell(Exception):
    """Something without which nothing else can be looked at."""

    def __init__(self, text: str, remedy: str) -> None:
        super().__init__(text)
        self.text, self.remedy = text, remedy


def token_of(tokens: Tokens, source: TokenSource, what: str) -> SecretStr:
    """The token of `what`. Raises NotWell if there is none."""
    try:
        token = tokens.read(source.token_env, source.token_file, what)
    except SettingsError as error:
        raise NotWell(str(error).rstrip("."), "") from error
    if token is None:
        raise NotWell(
            f"the settings do not say where the token of {what} is",
            'write it into a file that only you may read, and name that: token_file = "..."',
        )
    return token


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

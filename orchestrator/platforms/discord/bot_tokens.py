"""The tokens of a stage's bots, as the settings name them. Knows nothing of discord.py."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import SecretStr

from orchestrator.platforms import bot_tokens
from orchestrator.platforms.discord.settings import DiscordStage
from orchestrator.tokens import Tokens

MAIN = "the Discord bot"
ADVICE = (
    "an application of its own (New Application in the developer portal), with a token of its own"
)


def main_token(settings: DiscordStage, tokens: Tokens) -> SecretStr:
    """That of the stage's own bot. Raises SettingsError."""
    return bot_tokens.main_token(settings, tokens, "Discord")


def friends_tokens(
    settings: DiscordStage, friends: Sequence[str], tokens: Tokens, main: SecretStr
) -> dict[str, SecretStr]:
    """Those of the friends who have a bot of their own. Raises SettingsError."""
    found = bot_tokens.FriendsTokens(f"discord {settings.channel}", "Discord", main, ADVICE)
    return found.read(settings.friend_tokens, friends, tokens)

"""The tokens of a stage's bots, as the settings name them. Knows nothing of discord.py."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import SecretStr

from orchestrator.errors import SettingsError
from orchestrator.platforms.discord.settings import DiscordStage
from orchestrator.tokens import Tokens

MAIN = "the Discord bot"


def main_token(settings: DiscordStage, tokens: Tokens) -> SecretStr:
    """That of the stage's own bot. Raises SettingsError."""
    token = tokens.read(settings.token_env, settings.token_file, MAIN)
    if token is None:
        raise SettingsError(
            "A stage on Discord needs the token of its bot: name a file that holds it with "
            "token_file, or a variable with token_env; see: botconvo doctor discord"
        )
    return token


def friends_tokens(
    settings: DiscordStage, friends: Sequence[str], tokens: Tokens, main: SecretStr
) -> dict[str, SecretStr]:
    """Those of the friends who have a bot of their own. Raises SettingsError, also for two bots of
    one token: nobody could tell who is meant by a mention of it."""
    found: dict[str, SecretStr] = {}
    for name, source in settings.friend_tokens.items():
        if name not in friends:
            raise SettingsError(
                f"friend_tokens of discord {settings.channel} names {name!r}, and there is no such "
                f"friend; there are {', '.join(friends)}."
            )
        own = tokens.read(source.token_env, source.token_file, f"{name}'s Discord bot")
        if own is None:
            raise SettingsError(
                f"friend_tokens.{name} says nothing: give it token_file or token_env."
            )
        whose = {MAIN: main} | {f"{friend}'s Discord bot": token for friend, token in found.items()}
        if same := next((bot for bot, token in whose.items() if token == own), None):
            raise SettingsError(
                f"friend_tokens.{name} is the token of {same}: {name}'s bot needs an application "
                "of its own (New Application in the developer portal), with a token of its own."
            )
        found[name] = own
    return found

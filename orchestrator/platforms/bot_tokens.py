"""The tokens of a stage's bots on a chat platform, as the settings name them. Knows no platform's
library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import SecretStr

from orchestrator.errors import SettingsError
from orchestrator.sections import TokenSource
from orchestrator.tokens import Tokens


def main_token(source: TokenSource, tokens: Tokens, platform: str) -> SecretStr:
    """That of the bot of a stage on this platform ("Discord"). Raises SettingsError."""
    token = tokens.read(source.token_env, source.token_file, f"the {platform} bot")
    if token is None:
        raise SettingsError(
            f"A stage on {platform} needs the token of its bot: name a file that holds it with "
            f"token_file, or a variable with token_env; see: botconvo doctor {platform.lower()}"
        )
    return token


class FriendsTokens:
    """Reads those of friends who have a bot of their own on a stage. `advice` is what such a bot
    needs: "an application of its own (...), with a token of its own"."""

    def __init__(self, stage: str, platform: str, main: SecretStr, advice: str) -> None:
        self._stage = stage
        self._platform = platform
        self._advice = advice
        self._whose = {f"the {platform} bot": main}

    def read(
        self, sources: Mapping[str, TokenSource], friends: Sequence[str], tokens: Tokens
    ) -> dict[str, SecretStr]:
        """Each friend's token. Raises SettingsError, also for two bots of one token: nobody could
        tell who is meant by a mention of it."""
        return {name: self._one(name, sources[name], friends, tokens) for name in sources}

    def _one(
        self, name: str, source: TokenSource, friends: Sequence[str], tokens: Tokens
    ) -> SecretStr:
        if name not in friends:
            raise SettingsError(
                f"friend_tokens of {self._stage} names {name!r}, and there is no such friend; "
                f"there are {', '.join(friends)}."
            )
        bot = f"{name}'s {self._platform} bot"
        token = tokens.read(source.token_env, source.token_file, bot)
        if token is None:
            raise SettingsError(
                f"friend_tokens.{name} says nothing: give it token_file or token_env."
            )
        if same := next((other for other, known in self._whose.items() if known == token), None):
            raise SettingsError(
                f"friend_tokens.{name} is the token of {same}: {name}'s bot needs {self._advice}."
            )
        self._whose[bot] = token
        return token

"""Settings of a Discord channel as a stage."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from orchestrator.platforms.discord.command_settings import CommandSettings
from orchestrator.sections import TokenSource, TokenStage, server_address

Appearance = Literal["auto", "webhook", "bots", "single"]


class DiscordStage(TokenStage):
    """A channel of a Discord server."""

    platform: Literal["discord"] = Field("discord", description="where the show is to be seen")
    channel: int = Field(gt=0, description="id of the channel (Copy Channel ID in its menu)")
    appearance: Appearance = Field(
        "auto",
        description="how the friends appear; webhook: each with a name and a picture; bots: each "
        "with a bot account (friend_tokens); single: their names before their lines; auto: the "
        "best of these that tokens and permissions allow",
    )
    friend_tokens: dict[str, TokenSource] = Field(
        {},
        description="for bots: where the token of each friend's own bot is, as "
        '[stages.friend_tokens.Dex] token_file = "dex.token"',
    )
    api_base: str = Field(
        "",
        description="another server that speaks as Discord does, as https://chat.example/api/v10; "
        "empty: Discord",
    )
    # --- commands, and who is heard ---
    commands: CommandSettings = Field(
        CommandSettings(), description="who may use which command: [stages.commands]"
    )
    listen: tuple[int, ...] = Field(
        (),
        description="ids of other channels to be heard; only those that all who see this one see",
    )

    # --- checks ---

    @model_validator(mode="after")
    def _tokens_for_bots(self) -> Self:
        if self.appearance == "bots" and not self.friend_tokens:
            raise ValueError(
                'appearance = "bots" needs the token of at least one friend\'s own bot: '
                "[stages.friend_tokens.NAME] with token_file or token_env"
            )
        return self

    @field_validator("api_base")
    @classmethod
    def _base(cls, text: str) -> str:
        return server_address(text, "https://chat.example/api/v10")

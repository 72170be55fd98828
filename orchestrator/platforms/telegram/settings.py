"""Settings of a Telegram chat as a stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from orchestrator.sections import TokenStage


class TelegramStage(TokenStage):
    """A group in which the show is seen."""

    platform: Literal["telegram"] = Field("telegram", description="where the show is to be seen")
    chat: int = Field(description="id of the group; /start in it tells which")

"""Settings of the terminal as a stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from orchestrator.sections import Stage


class TerminalStage(Stage):
    """The terminal that the show was started in."""

    platform: Literal["terminal"] = Field("terminal", description="where the show is to be seen")

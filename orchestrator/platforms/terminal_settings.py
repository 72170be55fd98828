"""Settings of the terminal as a stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from orchestrator.sections import Name, Stage

YOU = "You"
"""Whoever types and has no name."""


class TerminalStage(Stage):
    """The terminal that the show was started in."""

    platform: Literal["terminal"] = Field("terminal", description="where the show is to be seen")
    name: Name = Field(YOU, description="of whoever types, as friends and other stages read it")

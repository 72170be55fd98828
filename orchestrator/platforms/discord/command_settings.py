"""Settings of who may use which command in a Discord channel. Knows nothing of discord.py."""

from __future__ import annotations

from typing import Annotated, get_args

from pydantic import Field

from orchestrator.platforms import command_settings
from orchestrator.platforms.command_settings import EVERYONE, NOBODY, CommandName

__all__ = ["COMMANDS", "EVERYONE", "MODERATORS", "NOBODY", "Access", "CommandName"]

Access = Annotated[str, Field(min_length=1, max_length=100)] | Annotated[int, Field(gt=0)]
"""EVERYONE, MODERATORS, NOBODY, or a role by its name or id."""
MODERATORS = "moderators"

COMMANDS: tuple[CommandName, ...] = get_args(CommandName)


class CommandSettings(command_settings.CommandSettings[Access]):
    """Who may use which command: "everyone", "moderators" (whoever may Manage Messages in the
    channel), "nobody", or a role by name or id. Administrators may use all but nobody's."""

    default: Access = Field(EVERYONE, description="who may talk to the friends and look around")
    steering: Access = Field(
        MODERATORS, description="who may pause, resume, pace, mute, unmute, oops and roles"
    )
    roles: Access | None = Field(
        None, description="make or remove a role for each friend; moderators: Manage Roles"
    )

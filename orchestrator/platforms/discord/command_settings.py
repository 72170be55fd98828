"""Settings of who may use which command in a Discord channel. Knows nothing of discord.py."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from orchestrator.sections import Section

Access = Annotated[str, Field(min_length=1, max_length=100)] | Annotated[int, Field(gt=0)]
"""EVERYONE, MODERATORS, NOBODY, or a role by its name or id."""
EVERYONE, MODERATORS, NOBODY = "everyone", "moderators", "nobody"

CommandName = Literal[
    "ask", "topic", "friends", "why", "status", "again", "transcript", "help",
    "pause", "resume", "pace", "mute", "unmute", "oops", "roles",
]  # fmt: skip
COMMANDS: tuple[CommandName, ...] = get_args(CommandName)
STEERING = frozenset[CommandName]({"pause", "resume", "pace", "mute", "unmute", "oops", "roles"})
"""What changes the show for everybody until somebody changes it back, or takes a line away."""


class CommandSettings(Section):
    """Who may use which command: "everyone", "moderators" (whoever may Manage Messages in the
    channel), "nobody", or a role by name or id. Administrators may use all but nobody's."""

    default: Access = Field(EVERYONE, description="who may talk to the friends and look around")
    steering: Access = Field(
        MODERATORS, description="who may pause, resume, pace, mute, unmute, oops and roles"
    )
    ask: Access | None = Field(None, description="have a friend speak next")
    topic: Access | None = Field(None, description="say what they talk about")
    friends: Access | None = Field(None, description="see who is there")
    why: Access | None = Field(None, description="see why a line was said")
    status: Access | None = Field(None, description="see what is going on")
    again: Access | None = Field(None, description="have a line said anew")
    transcript: Access | None = Field(None, description="get what was said as a file")
    help: Access | None = Field(None, description="see the commands")
    pause: Access | None = Field(None, description="have everybody be silent")
    resume: Access | None = Field(None, description="go on after a pause")
    pace: Access | None = Field(None, description="make them faster or slower")
    mute: Access | None = Field(None, description="have a friend be silent")
    unmute: Access | None = Field(None, description="let a friend speak again")
    oops: Access | None = Field(None, description="take a line back")
    roles: Access | None = Field(
        None, description="make or remove a role for each friend; moderators: Manage Roles"
    )

    def access(self, command: CommandName) -> Access:
        """Who may use the command."""
        own: Access | None = getattr(self, command)
        if own is not None:
            return own
        return self.steering if command in STEERING else self.default

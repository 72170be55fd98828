"""Settings of who may use which command in a chat: the same on every platform, but for how people
are named there. Knows no platform."""

from __future__ import annotations

from typing import Generic, Literal, TypeVar

from pydantic import Field

from orchestrator.sections import Section

EVERYONE, NOBODY = "everyone", "nobody"

Access = TypeVar("Access")
"""EVERYONE, NOBODY, or whom else a platform knows."""

CommandName = Literal[
    "ask", "topic", "friends", "why", "status", "again", "transcript", "help",
    "pause", "resume", "pace", "mute", "unmute", "oops", "roles",
]  # fmt: skip
STEERING = frozenset[CommandName]({"pause", "resume", "pace", "mute", "unmute", "oops", "roles"})
"""What changes the show for everybody until somebody changes it back, or takes a line away."""


class CommandSettings(Section, Generic[Access]):
    """Who may use which command. A platform says whom `default` and `steering` let in if the
    settings say nothing."""

    default: Access = Field(description="who may talk to the friends and look around")
    steering: Access = Field(description="who may do what changes the show for all")
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

    def access(self, command: CommandName) -> Access:
        """Who may use the command."""
        own: Access | None = getattr(self, command)
        if own is not None:
            return own
        return self.steering if command in STEERING else self.default

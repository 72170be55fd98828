"""Settings of who may use which command in a Telegram group. Knows nothing of
python-telegram-bot."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from orchestrator.platforms import command_settings
from orchestrator.platforms.command_settings import EVERYONE, NOBODY

ADMINISTRATORS = "administrators"
WORDS = (EVERYONE, ADMINISTRATORS, NOBODY)


def _known(given: Any) -> Any:
    """One sentence instead of pydantic's one for every way in which it is wrong."""
    if given in WORDS:
        return given
    if isinstance(given, list | tuple) and given and all(_is_id(person) for person in given):
        return tuple(given)
    raise ValueError(
        f"{given!r} is nobody: write {', '.join(map(repr, WORDS))}, or the ids of people as in "
        "[123456789] (/start in a private chat tells one's own)"
    )


def _is_id(person: Any) -> bool:
    return isinstance(person, int) and not isinstance(person, bool) and person > 0


Access = Annotated[str | tuple[int, ...], BeforeValidator(_known)]
"""EVERYONE, ADMINISTRATORS, NOBODY, or people by their ids."""


class CommandSettings(command_settings.CommandSettings[Access]):
    """Who may use which command: "everyone", "administrators" of the group, "nobody", or people by
    their ids. Administrators may use all but nobody's."""

    default: Access = Field(EVERYONE, description="who may talk to the friends and look around")
    steering: Access = Field(
        ADMINISTRATORS,
        description="on Telegram: who may pause, resume, pace, mute, unmute and oops",
    )
    transcript: Access | None = Field(
        # Groups may hide from those who join what was said before, and bots cannot tell.
        ADMINISTRATORS,
        description="on Telegram: get what was said as a file, also from before one joined",
    )

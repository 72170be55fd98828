"""Makes a role for each friend that people can @mention, and takes them away again."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import discord

from orchestrator.cast import Friend
from orchestrator.platforms.discord.roles import roles_of_friends
from orchestrator.settings import Color

log = logging.getLogger(__name__)

COLORS: dict[Color, int] = {
    "red": 0xE74C3C, "green": 0x2ECC71, "yellow": 0xF1C40F, "blue": 0x3498DB,
    "magenta": 0xE91E9C, "cyan": 0x1ABCBC, "white": 0xDFE3E6,
}  # fmt: skip
"""As RGB, to be read on Discord's dark ground and on its light one."""


async def make_roles(guild: discord.Guild, friends: Sequence[Friend], by: str) -> str:
    """Makes those that are missing; returns what was done, for people. They give their members
    nothing."""
    there = roles_of_friends(guild, [friend.name for friend in friends])
    made: list[str] = []
    refused: dict[str, str] = {}
    for friend in friends:
        if friend.name in there:
            continue
        try:
            await guild.create_role(
                name=friend.name, permissions=discord.Permissions.none(), mentionable=True,
                color=COLORS[friend.color], reason=by,
            )  # fmt: skip
        except discord.HTTPException as error:
            log.warning("no role for %s: %s", friend.name, error)
            refused[friend.name] = error.text
            continue
        made.append(friend.name)
    log.info("roles made (%s): %s", by, ", ".join(made))
    able = [friend.name for friend in friends if friend.name not in refused]
    example = f" Mention one in a line, as @{able[0]}." if able else ""
    return _done("Made", made, "Discord refused a role for", refused) + example


async def remove_roles(guild: discord.Guild, friends: Sequence[Friend], by: str) -> str:
    """Removes those that were made here: by name, without permissions, in the friend's color. A
    person's own role of the same name is left alone; returns what was done, for people."""
    there = roles_of_friends(guild, [friend.name for friend in friends])
    removed: list[str] = []
    refused: dict[str, str] = {}
    for friend in friends:
        role = there.get(friend.name)
        if role is None or role.color.value != COLORS[friend.color]:
            continue
        try:
            await role.delete(reason=by)
        except discord.HTTPException as error:
            log.warning("the role of %s stays: %s", friend.name, error)
            refused[friend.name] = error.text
            continue
        removed.append(friend.name)
    log.info("roles removed (%s): %s", by, ", ".join(removed))
    return _done("Removed", removed, "Discord keeps that of", refused)


def _done(what: str, names: Sequence[str], sorry: str, refused: Mapping[str, str]) -> str:
    done = f"{what}: {', '.join(names) or 'none'}."
    if not refused:
        return done
    reasons = "; ".join(dict.fromkeys(refused.values()))
    return f"{done} {sorry} {', '.join(refused)}: {reasons}"

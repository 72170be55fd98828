"""Who may use a command: checked here at each use, whatever Discord's own settings say."""

from __future__ import annotations

from collections.abc import Iterable

import discord

from orchestrator.platforms.discord.command_settings import (
    EVERYONE,
    MODERATORS,
    NOBODY,
    Access,
    CommandName,
)

MODERATES: dict[CommandName, str] = {"roles": "manage_roles"}
"""What a moderator must be allowed to do in the channel, where it is not Manage Messages."""
USUALLY = "manage_messages"
IN_WORDS = {"manage_messages": "Manage Messages", "manage_roles": "Manage Roles"}


def may_use(
    command: CommandName, access: Access, has: discord.Permissions, roles: Iterable[discord.Role]
) -> bool:
    """Whether somebody with these permissions in the channel, and these roles, may."""
    if access == NOBODY:
        return False
    if access == EVERYONE or has.administrator:
        return True
    if access == MODERATORS:
        return bool(getattr(has, MODERATES.get(command, USUALLY)))
    return any(_is_meant(role, access) for role in roles)


def who_may(command: CommandName, access: Access, roles: Iterable[discord.Role]) -> str:
    """Those who may, in words; `roles` are the server's."""
    if access == NOBODY:
        return "nobody"
    if access == EVERYONE:
        return "everybody"
    if access == MODERATORS:
        return f"whoever has {IN_WORDS[MODERATES.get(command, USUALLY)]} here"
    names = [role.name for role in roles if _is_meant(role, access)]
    return f"whoever has the role {names[0] if names else access}"


def _is_meant(role: discord.Role, access: Access) -> bool:
    return str(role.id) == str(access) or role.name.casefold() == str(access).casefold()

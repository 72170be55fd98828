"""A role per friend, by which people can @mention somebody who has no account.

Discord keeps no note of who made a role, and BotConvo none of its own: a role is a friend's if it
is called like the friend, may be mentioned by all, and gives its members nothing at all, which is
how `/friends roles` makes them and hardly anybody else does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import discord


def is_friends_role(role: discord.Role, friend: str) -> bool:
    """Whether the role stands for this friend."""
    return (
        role.name == friend and role.mentionable and not role.managed and not role.permissions.value
    )


def friend_of_role(guild: discord.Guild, role_id: int, friends: Iterable[str]) -> str | None:
    """The friend that a role stands for; None if it is no friend's."""
    role = guild.get_role(role_id)
    if role is None:
        return None
    return next((friend for friend in friends if is_friends_role(role, friend)), None)


def roles_of_friends(guild: discord.Guild, friends: Iterable[str]) -> Mapping[str, discord.Role]:
    """The role of each friend who has one."""
    return {
        friend: role for friend in friends for role in guild.roles if is_friends_role(role, friend)
    }

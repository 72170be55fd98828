"""Mentions in a text and whom they would notify. Pure; it knows no requests.

Source: https://docs.discord.com/developers/resources/message#allowed-mentions-object
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from .errors import bad_field
from .world import Guild, Json

USER, ROLE = re.compile(r"<@!?(\d{1,20})>"), re.compile(r"<@&(\d{1,20})>")
EVERYONE = re.compile(r"@(everyone|here)")


@dataclass(frozen=True, slots=True)
class Ping:
    """Somebody who would have been notified. `target_id`: a user's, a role's, or the channel's
    for "everyone". Discord notifies nobody of an edit, but shows the line as a mention."""

    message_id: int
    kind: Literal["user", "role", "everyone"]
    target_id: int
    when: Literal["create", "edit"]


@dataclass(frozen=True, slots=True)
class Allowed:
    """Which mentions may notify: None is all of them, else only these ids."""

    users: frozenset[int] | None
    roles: frozenset[int] | None
    everyone: bool
    replied_user: bool


def allowed_from(form: Json | None, only_users: bool) -> Allowed:
    """Read `allowed_mentions`. Without one, everything in the text notifies, replies too; in lines
    of webhooks and in answers to interactions (`only_users`) no roles and not everyone.

    Source of that: https://github.com/discord/discord-api-docs/pull/7629
    Raises `Refused` where a kind is in `parse` and also listed by id.
    """
    if form is None:
        if only_users:
            return Allowed(None, frozenset(), False, True)
        return Allowed(None, None, True, True)
    parse = form.get("parse") or []
    ids: dict[str, frozenset[int] | None] = {}
    for kind in ("users", "roles"):
        listed = form.get(kind)
        if listed and kind in parse:
            raise bad_field(
                "allowed_mentions", "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
                f'parse:["{kind}"] and {kind}: [ids...] are mutually exclusive.',
            )  # fmt: skip
        ids[kind] = None if kind in parse else frozenset(int(each) for each in listed or ())
    replied = bool(form.get("replied_user", False))
    return Allowed(ids["users"], ids["roles"], "everyone" in parse, replied)


@dataclass(frozen=True, slots=True)
class Found:
    """Mentions of a message that count."""

    users: list[int]
    roles: list[int]
    everyone: bool


def find_mentions(
    text: str, allowed: Allowed, guild: Guild | None, may_ping_all: bool, known: Iterable[int]
) -> Found:
    """The mentions in a text that may notify.

    `may_ping_all`: the author may mention @everyone and roles that nobody else may mention.
    `known`: ids of users that can be mentioned at all.
    """
    who = known if isinstance(known, dict) else set(known)
    users = [
        each
        for each in dict.fromkeys(map(int, USER.findall(text)))
        if each in who and (allowed.users is None or each in allowed.users)
    ]
    roles = []
    for each in dict.fromkeys(map(int, ROLE.findall(text))):
        role = guild.roles.get(each) if guild else None
        listed = allowed.roles is None or each in allowed.roles
        if role is not None and listed and (role.mentionable or may_ping_all):
            roles.append(each)
    everyone = allowed.everyone and may_ping_all and EVERYONE.search(text) is not None
    return Found(users, roles, guild is not None and everyone)

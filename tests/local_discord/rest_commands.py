"""Routes on which a bot registers its commands, for all guilds or for one.

Source: https://docs.discord.com/developers/interactions/application-commands
"""

from __future__ import annotations

import re

from .errors import (
    MISSING_ACCESS,
    UNKNOWN_COMMAND,
    UNKNOWN_COMMAND_PERMISSIONS,
    Refused,
    bad_field,
    too_long,
)
from .rest import Call
from .world import Json

NAME = re.compile(r"[-_'\w]{1,32}")
MOST_COMMANDS, MOST_OPTIONS = 100, 25
CHAT_INPUT = 1


def _own(call: Call) -> dict[int, Json]:
    """The bot's commands in the scope that the path names."""
    if call.id_of("application_id") != call.bot.id:
        raise Refused(MISSING_ACCESS)
    scope = None
    if "guild_id" in call.request.match_info:
        scope = call.guild().id
    return call.bot.commands.setdefault(scope, {})


def _check(form: Json, at: str = "") -> None:
    """Refuse a command that Discord would refuse: names, lengths, too many options."""
    name = str(form.get("name", ""))
    is_slash = form.get("type", CHAT_INPUT) == CHAT_INPUT or bool(at)
    too_long(f"{at}name", name, 32, 1)
    if is_slash and (not NAME.fullmatch(name) or name != name.lower()):
        raise bad_field(f"{at}name", "APPLICATION_COMMAND_INVALID_NAME",
                        "Command name is invalid")  # fmt: skip
    if is_slash:
        too_long(f"{at}description", str(form.get("description", "")), 100, 1)
    options = form.get("options") or []
    if len(options) > MOST_OPTIONS:
        raise bad_field(f"{at}options", "BASE_TYPE_MAX_LENGTH",
                        f"Must be {MOST_OPTIONS} or fewer in length.")  # fmt: skip
    for index, option in enumerate(options):
        _check(option, f"{at}options.{index}.")


def _made(call: Call, form: Json, known: dict[int, Json]) -> Json:
    """A command from a form; one of the same name and type keeps its id."""
    _check(form)
    kind = form.get("type", CHAT_INPUT)
    old = [each for each in known.values() if (each["name"], each["type"]) == (form["name"], kind)]
    command_id = old[0]["id"] if old else str(call.service.world.snowflakes.new())
    body: Json = {
        "description": "", "options": [], "default_member_permissions": None, "nsfw": False,
        "dm_permission": True, "contexts": None, "integration_types": [0], **form,
    }  # fmt: skip
    body |= {"id": command_id, "type": kind, "application_id": str(call.bot.id),
             "version": str(call.service.world.snowflakes.new())}  # fmt: skip
    guild_id = call.request.match_info.get("guild_id")
    return body if guild_id is None else body | {"guild_id": guild_id}


async def put_all(call: Call) -> list[Json]:
    """PUT .../commands: these and no others"""
    known, forms = _own(call), call.form
    if not isinstance(forms, list) or len(forms) > MOST_COMMANDS:
        raise bad_field("_", "BASE_TYPE_BAD_LENGTH", "Must be between 0 and 100 in length.")
    made = [_made(call, form, known) for form in forms]
    known.clear()
    known.update({int(each["id"]): each for each in made})
    call.service.changes.notify()
    return made


async def get_all(call: Call) -> list[Json]:
    """GET .../commands"""
    return list(_own(call).values())


async def create(call: Call) -> Json:
    """POST .../commands"""
    known = _own(call)
    made = _made(call, call.form, known)
    known[int(made["id"])] = made
    call.service.changes.notify()
    return made


def _one(call: Call) -> tuple[dict[int, Json], Json]:
    known = _own(call)
    command = known.get(call.id_of("command_id"))
    if command is None:
        raise Refused(UNKNOWN_COMMAND)
    return known, command


async def get(call: Call) -> Json:
    """GET .../commands/{command_id}"""
    return _one(call)[1]


async def edit(call: Call) -> Json:
    """PATCH .../commands/{command_id}"""
    _, command = _one(call)
    changed = {**command, **call.form}
    _check(changed)
    command.update(changed)
    return command


async def delete(call: Call) -> None:
    """DELETE .../commands/{command_id}"""
    known, command = _one(call)
    del known[int(command["id"])]
    call.service.changes.notify()


async def get_permissions(call: Call) -> list[Json]:
    """GET .../guilds/{guild_id}/commands/permissions: nobody has changed any"""
    _own(call)
    return []


async def get_one_permissions(call: Call) -> Json:
    """GET .../guilds/{guild_id}/commands/{command_id}/permissions"""
    _own(call)
    raise Refused(UNKNOWN_COMMAND_PERMISSIONS)

"""The options of a slash command, filled in as Discord's client would: checked against what the
bot registered, and the things that they name given along."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from . import shapes
from .permissions import ALL
from .world import Channel, Guild, Json, Role, User

if TYPE_CHECKING:
    from .service import Service

SUBCOMMAND, GROUP = 1, 2
STRING, INTEGER, BOOLEAN, USER, CHANNEL, ROLE, MENTIONABLE, NUMBER = 3, 4, 5, 6, 7, 8, 9, 10
TYPES: dict[int, tuple[type, ...]] = {
    STRING: (str,), INTEGER: (int,), BOOLEAN: (bool,), NUMBER: (int, float),
}  # fmt: skip


def nested(command: Json, name: str) -> tuple[list[tuple[int, str]], Json]:
    """The way from a command to the subcommand of a full name ("friend mute"), as pairs of kind
    and name, and the subcommand itself. Raises LookupError where there is none."""
    path, leaf = [], command
    for word in name.split()[1:]:
        inner = [each for each in leaf.get("options", []) if each["type"] in (SUBCOMMAND, GROUP)]
        found = next((each for each in inner if each["name"] == word), None)
        if found is None:
            raise LookupError(f"/{name}: there is no {word!r}")
        path.append((found["type"], word))
        leaf = found
    if any(each["type"] in (SUBCOMMAND, GROUP) for each in leaf.get("options", [])):
        raise LookupError(f"/{name} alone cannot be used: it has subcommands")
    return path, leaf


def resolve_options(
    service: Service, leaf: Json, given: Mapping[str, object], *, complete: bool
) -> tuple[list[Json], Json]:
    """Options as the event has them, and the `resolved` objects that they name.

    `complete`: required ones must be there. Raises ValueError for missing, unknown or
    impossible ones.
    """
    known = {each["name"]: each for each in leaf.get("options", [])}
    unknown = given.keys() - known.keys()
    if unknown:
        raise ValueError(f"{leaf['name']!r} has no option {', '.join(sorted(unknown))}")
    missing = [name for name, each in known.items() if each.get("required") and name not in given]
    if missing and complete:
        raise ValueError(f"{leaf['name']!r} needs the option {', '.join(missing)}")
    filled: list[Json] = []
    resolved: Json = {}
    for name, value in given.items():
        option = known[name]
        plain = _value(service, option, value, resolved)
        filled.append({"name": name, "type": option["type"], "value": plain})
    return filled, resolved


def _value(service: Service, option: Json, value: object, resolved: Json) -> object:
    if option["type"] not in TYPES:
        return _resolve(service, option, value, resolved)
    wanted = TYPES[option["type"]]
    if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
        raise ValueError(f"option {option['name']!r} cannot be {value!r}")
    if option.get("choices"):
        by_name = {each["name"]: each["value"] for each in option["choices"]}
        if value not in by_name and value not in by_name.values():
            raise ValueError(f"option {option['name']!r} has no choice {value!r}")
        return by_name.get(str(value), value)
    size = len(value) if isinstance(value, str) else value
    low = option.get("min_length", option.get("min_value"))
    high = option.get("max_length", option.get("max_value"))
    assert isinstance(size, int | float)
    if (low is not None and size < low) or (high is not None and size > high):
        raise ValueError(f"option {option['name']!r} must be between {low} and {high}")
    return value


def _resolve(service: Service, option: Json, value: object, resolved: Json) -> str:
    """The id of a thing, which goes into `resolved` in full."""
    kind = option["type"]
    account = getattr(value, "user", value)  # a Person or a Bot, or its User
    if isinstance(account, User) and kind in (USER, MENTIONABLE):
        key = str(account.id)
        resolved.setdefault("users", {})[key] = shapes.user(account)
        for guild in service.world.guilds.values():
            _add_member(guild, account, resolved)
        return key
    if isinstance(value, Role) and kind in (ROLE, MENTIONABLE):
        resolved.setdefault("roles", {})[str(value.id)] = shapes.role(value)
        return str(value.id)
    if isinstance(value, Channel) and kind == CHANNEL:
        body = {**shapes.channel(value), "permissions": str(ALL)}
        resolved.setdefault("channels", {})[str(value.id)] = body
        return str(value.id)
    raise ValueError(f"option {option['name']!r} cannot be {value!r}")


def _add_member(guild: Guild, account: User, resolved: Json) -> None:
    member = guild.members.get(account.id)
    if member is not None:
        body = {**shapes.member(member, with_user=False), "permissions": "0"}
        resolved.setdefault("members", {})[str(account.id)] = body

"""What is wrong with a settings file, as one plain sentence with the line that it is in. Knows no
key of the settings: pydantic names the place, and the file itself tells the line.

What stands in the file is not repeated, as it may be a token."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

Place = Sequence[str | int]
"""Keys and places in lists, from the outside in: ("stages", 0, "port")."""

SHOULD_BE = {
    "int": "a whole number",
    "float": "a number",
    "finite_number": "a number",
    "string_type": "text in quotes",
    "bool": "true or false",
    "tuple_type": "a list in [ ]",
    "greater_than_equal": "at least {ge:g}",
    "greater_than": "above {gt:g}",
    "less_than_equal": "at most {le:g}",
    "less_than": "below {lt:g}",
    "string_too_long": "at most {max_length} signs long",
    "literal_error": "{expected}",
}
"""By the beginning of pydantic's name for a mistake, with what pydantic knows of it."""
AT_LINE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
HINTS = (
    (re.compile(r"=\s*-?\d+,\d"), "a number has a point in it and no comma, as 0.3"),
    (re.compile(r"""^[^"'#]*("[^"]*|'[^']*)$"""), "its text has no second quotation mark"),
    (re.compile(r'"[^"]*\\'), "write a folder with / in place of \\"),
    (re.compile(r"=\s*[^\W\d]"), "text needs quotes around it"),
)
"""What is meant by a line that is no TOML, most likely."""


def sentence_on_toml(error: tomllib.TOMLDecodeError, text: str) -> str:
    """What is wrong with a text that is no TOML; goes on from the name of its file."""
    message = AT_LINE.sub("", str(error))
    found = AT_LINE.search(str(error))
    lines = text.splitlines()
    number = int(found[1]) if found and found[1] else len(lines)
    line = lines[number - 1] if 0 < number <= len(lines) else ""
    hint = next((f"; {hint}" for form, hint in HINTS if form.search(line)), "")
    return f"{_at(number)}this is no TOML ({message[:1].lower()}{message[1:]}){hint}"


def sentence_on_settings(error: ValidationError, text: str, model: type[BaseModel]) -> str:
    """What is wrong with settings; goes on from the name of their file.

    `text` is the TOML that they were read from, `model` what they should be.
    """
    first = error.errors(include_url=False)[0]
    place = list(first["loc"])
    schema_place = list(place)
    if place[:1] == ["stages"] and len(place) > 2:
        del place[2]  # which kind of stage it is, which is no key
    data = tomllib.loads(text)
    while first["type"] != "missing" and len(place) > 1 and not _holds(data, place):
        place.pop()  # which of several types it might have been, which is no key either
    where = _at(line_of(place, text))
    if first["type"] == "extra_forbidden":
        return f"{where}there is no key {_named(place)}; {_meant(schema_place, model)}"
    if first["type"].startswith("union_tag"):
        kinds = _kinds(model.model_json_schema()["properties"][place[0]])
        return f"{where}{_named(place)}.platform should be one of {', '.join(kinds)}"
    return where + _said(first, _named(place))


def _at(number: int | None) -> str:
    return f", line {number}: " if number else ": "


def _named(place: Place) -> str:
    """The place as one writes it: "stages[0].port"."""
    key = ""
    for part in place:
        key += f"[{part}]" if isinstance(part, int) else f".{part}" if key else str(part)
    return key


def line_of(place: Place, text: str) -> int | None:
    """The line on which what is at a place begins, or what it should stand in; None for all of it.

    TOML says no lines, but each beginning of the file that is TOML by itself ends with a whole
    statement. The first beginning that holds the place has it in its last one.
    """
    if not place:
        return None
    before = 0
    lines = text.splitlines()
    for number in range(1, len(lines) + 1):
        try:
            data = tomllib.loads("\n".join(lines[:number]))
        except tomllib.TOMLDecodeError:
            continue
        if _holds(data, place):
            return before + 1
        before = number
    return line_of(place[:-1], text)


def _holds(data: Any, place: Place) -> bool:
    for part in place:
        try:
            data = data[part]
        except (LookupError, TypeError):
            return False
    return True


def _said(error: Any, key: str) -> str:  # pydantic's ErrorDetails, which it does not export
    kind, about = error["type"], error.get("ctx", {})
    if kind == "missing":
        return f"{key} is missing"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"{key} should be a section, begun with [{key}]"
    if kind == "tuple_type" and isinstance(error["input"], dict):
        return f"{key} should have two brackets on each side: [[{key}]]"
    for beginning, form in SHOULD_BE.items():
        if kind.startswith(beginning):
            return f"{key} should be {form.format(**about)}"
    message = error["msg"].removeprefix("Value error, ")
    return f"{key}: {message}" if key else str(message)


def _meant(place: Place, model: type[BaseModel]) -> str:
    """What is to be done about a key that there is not."""
    schema = model.model_json_schema()
    name = str(place[-1])
    known = _keys(schema, place[:-1])
    if near := difflib.get_close_matches(name, known, 1):
        return f"{near[0]} is probably meant"
    owners = [key for key in schema["properties"] if name in _keys(schema, [key])]
    if owners:
        return f"it belongs below [{owners[0]}]"
    return "take it out or mend its spelling"


def _keys(schema: dict[str, Any], place: Place) -> list[str]:
    """Keys that there are at a place in a JSON schema."""
    here = _whole(schema, schema)
    for part in place:
        if isinstance(part, int):
            continue
        if part in _kinds(here):
            here = {"$ref": _kinds(here)[part]}
        elif part in here.get("properties", {}):
            here = here["properties"][part]
        else:
            here = here.get("additionalProperties") or {}
        here = _whole(here, schema)
    items = here.get("items", {})
    return list(_whole(items, schema).get("properties", here.get("properties", {})))


def _kinds(part: dict[str, Any]) -> dict[str, str]:
    """The kinds of things that a list in a JSON schema may hold, and where each is described."""
    kinds: dict[str, str] = part.get("items", {}).get("discriminator", {}).get("mapping", {})
    return kinds


def _whole(part: Any, schema: dict[str, Any]) -> dict[str, Any]:
    """The part itself, where it only names another one."""
    if not isinstance(part, dict):
        return {}
    if "$ref" in part:
        found: dict[str, Any] = schema["$defs"][part["$ref"].rpartition("/")[2]]
        return found
    return part

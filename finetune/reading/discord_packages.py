"""Whose a Discord data package is, and what its channels are called.

Only the messages themselves stand in a channel's folder; `index.json` one level up has the names
of all channels, and `user.json` in the account's folder beside `messages` the owner's. Folders are
named in the user's language, so they are found by their depth.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from finetune.errors import BadExport
from finetune.message import Account, Chat
from finetune.reading.discord_exports import PLATFORM
from finetune.reading.source import FolderTree, Source, Tree

FIRST_ID, LAST_ID = 10**15, 2**64 - 1
"""Discord's ids begin with the milliseconds since 2015, so that even the first have 16 digits."""
EPOCH = datetime(2015, 1, 1, tzinfo=UTC)

DIRECT_TYPES = {"1", "3", "DM", "GROUP_DM"}
"""Channels outside of servers; numbers until 2024, names since."""
SMALL_BYTES = 100_000_000
"""No `channel.json`, `index.json` or `user.json` comes near this size."""


class Package:
    """The files of one tree that tell names; each is read once, however many channels ask."""

    def __init__(self) -> None:
        self._titles: dict[PurePosixPath, dict[str, Any]] = {}
        self._owners: dict[PurePosixPath, Account] | None = None
        self._owners_above: dict[PurePosixPath, Account | None] = {}

    def title(self, source: Source, channel_id: str) -> str:
        """The name of the channel in `index.json`, or nothing."""
        index = source.beside("../index.json")
        if index is None:
            return ""
        if index.place not in self._titles:
            self._titles[index.place] = _object(index)
        title = _text(self._titles[index.place].get(channel_id))
        return "" if title == "None" else title

    def owner(self, source: Source) -> Account | None:
        """Whose package the channel belongs to. A tree may hold packages of several people, some
        without an account: better none than somebody else's."""
        root = source.folder.parent.parent
        if self._owners is None:
            # A file that was named alone may lie in a folder with all that its user owns.
            self._owners = {} if source.is_named else _accounts(source.tree)
        if root in self._owners:
            return self._owners[root]
        if root not in self._owners_above:
            self._owners_above[root] = _account_above(source)
        return self._owners_above[root]


def _accounts(tree: Tree) -> dict[PurePosixPath, Account]:
    """The owner of each package in the tree, by the package's folder."""
    owners = {}
    for place in tree.places():
        if place.name.casefold() == "user.json":
            account = _account(Source(tree, place))
            if account is not None:
                owners[place.parent.parent] = account
    return owners


def _account_above(source: Source) -> Account | None:
    """The owner of the package of which the user named only a part, a channel or `messages`."""
    if not isinstance(source.tree, FolderTree) or source.beside("channel.json") is None:
        return None
    root = (source.tree.path / source.folder).resolve().parent.parent
    try:
        paths = sorted(root.glob("*/user.json"))
    except OSError:
        return None
    for path in paths:
        account = _account(Source.of(path))
        if account is not None:
            return account
    return None


def _account(source: Source) -> Account | None:
    user = _object(source)
    key = snowflake(user.get("id"))
    name = _text(user.get("username"))
    if key is None or not name:
        return None
    return Account(PLATFORM, str(key), name, _text(user.get("global_name")) or name)


def chat_of(source: Source, package: Package, owner: Account) -> Chat:
    """The channel; its key is the file's or folder's name where nothing tells its id."""
    beside = source.beside("channel.json")
    channel = _object(beside) if beside is not None else {}
    folder = (source.tree.path / source.folder).resolve().name
    channel_id = snowflake(channel.get("id")) or snowflake(folder.removeprefix("c"))
    if channel_id is None:
        is_renamed = source.stem.casefold() != "messages"
        key = source.stem if is_renamed else folder or source.stem
    else:
        key = str(channel_id)
    title = package.title(source, key)
    name = _with_server(title, channel) if title else _own_name(channel, owner)
    return Chat(PLATFORM, key, name or key)


def _with_server(title: str, channel: dict[str, Any]) -> str:
    """'Server / general' for 'general in Server'; the title of a direct message as it is."""
    is_direct = str(channel.get("type")) in DIRECT_TYPES
    if is_direct or title.startswith("Direct Message with "):
        return title
    server = _server(channel)
    if not (server and title.endswith(f" in {server}")):
        server = title.rpartition(" in ")[2]
    name = title.removesuffix(f" in {server}")
    return f"{server} / {name}" if name != title and name else title


def _own_name(channel: dict[str, Any], owner: Account) -> str:
    """What `channel.json` itself says: names of servers and groups, of people only ids."""
    parts = [part for part in (_server(channel), _text(channel.get("name"))) if part]
    recipients = channel.get("recipients")
    if parts or not isinstance(recipients, list):
        return " / ".join(parts)
    others = [str(each) for each in recipients if str(each) != owner.key]
    return f"Direct Message with {', '.join(others)}" if others else ""


def _server(channel: dict[str, Any]) -> str:
    guild = channel.get("guild")
    return _text(guild.get("name")) if isinstance(guild, dict) else ""


def _object(source: Source) -> dict[str, Any]:
    """A small JSON object; an empty one if it cannot be read, as only names are lost then."""
    try:
        with source.open() as file:
            found = json.loads(file.read(SMALL_BYTES))
    except (ValueError, RecursionError, OSError, BadExport):
        return {}
    return found if isinstance(found, dict) else {}


def snowflake(value: Any) -> int | None:
    """The id, if it is one of Discord's and whole: a spreadsheet leaves '7.7E+18' of it."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{16,20}", value):
        value = int(value)
    if type(value) is int and FIRST_ID <= value <= LAST_ID:
        return value
    return None


def time_of(message_id: int) -> datetime:
    """When the message was sent, exact to the millisecond."""
    return EPOCH + timedelta(milliseconds=message_id >> 22)


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""

"""What the four formats of DiscordChatExporter have in common: file names and accounts.

https://github.com/Tyrrrz/DiscordChatExporter. A file holds one channel. CSV and text carry no
message ids and know people only as `name#1234`, or as `name` since Discord gave up the numbers.
"""

from __future__ import annotations

import re
from functools import lru_cache

from finetune.message import Account, Chat, Kind
from finetune.reading.source import Source

PLATFORM = "discord"

PART = re.compile(r" \[part \d+\]$")
RANGE = re.compile(r" \((?:(?:after|before) [\d-]{10}|[\d-]{10} to [\d-]{10})\)$")
CHANNEL_ID = re.compile(r" ?\[(\d{15,20})\]$")
NAME_PARTS = 3
"""The default name is `Server - Category - channel [id]`; more dashes are part of a name."""


def export_name(source: Source) -> str:
    """Folder and name of the export without its part number and format: the same channel
    exported as JSON and as HTML has one name."""
    return str(source.folder / PART.sub("", source.stem))


def channel_id(source: Source) -> str | None:
    """The channel's id, which the default file name has."""
    found = CHANNEL_ID.search(_plain_stem(source))
    return found[1] if found else None


def chat_by_file_name(source: Source) -> Chat:
    """The chat by the channel's id, or else by the file's name."""
    stem = _plain_stem(source)
    parts = [part for part in CHANNEL_ID.sub("", stem).split(" - ") if part.strip()]
    if len(parts) == NAME_PARTS:
        del parts[1]
    return Chat(PLATFORM, channel_id(source) or stem, " / ".join(parts) or stem)


def _plain_stem(source: Source) -> str:
    """The file's name without what tells one part or one range of the chat from another."""
    return RANGE.sub("", PART.sub("", source.stem)) or source.stem


DELETED = "Deleted User"
DISCRIMINATOR = re.compile(r"#(\d{4})$")
NO_NUMBER = "#0000"
NEW_NAME = re.compile(r"[a-z0-9_.]{2,32}")
"""What an account without a number may be called. DiscordChatExporter before 2.40 did not know
of such accounts and wrote them with `#0000`, just as it wrote webhooks."""


@lru_cache(maxsize=1024)
def account(full_name: str, user_id: str = "") -> Account:
    """The account by its `name#1234` or `name`, and its id where the format has one.

    Spreadsheets write ids as 1.01E+17, which many accounts then share.
    """
    full_name, user_id = full_name.strip() or DELETED, user_id.strip()
    name = DISCRIMINATOR.sub("", full_name) or full_name
    has_id = user_id.isdigit() and not _is_of_webhook(full_name)
    return Account(PLATFORM, user_id if has_id else full_name, name, name)


def persona(name: str) -> Account:
    """One of the names that a webhook writes under. Its id tells nothing: one webhook writes under
    many names, and many under one."""
    return Account(PLATFORM, f"{name}{NO_NUMBER}", name, name)


NOTICES = re.compile(
    r"Added .+ to the group\.|Added a recipient\."
    r"|Left the group\.|Removed .+ from the group\.|Removed a recipient\."
    r"|Started a call that lasted [\d,]+ minutes\."
    r"|Changed the channel name(?:: .+|\.)|Changed the channel icon\."
    r"|Pinned a message\.|Started a thread\.|Joined the server\."
)
"""What stands in place of notices in formats that do not mark them (2.27 and later); the same in
all languages. Somebody who wrote exactly this is taken for a notice, too."""


def kind_of(full_name: str, text: str) -> Kind:
    """What can be known of a message in the formats that tell neither type nor bots."""
    if NOTICES.fullmatch(text):
        return "system"
    return "webhook" if _is_of_webhook(full_name.strip()) else "person"


def _is_of_webhook(full_name: str) -> bool:
    name = full_name.removesuffix(NO_NUMBER)
    return name not in (full_name, DELETED) and not NEW_NAME.fullmatch(name)

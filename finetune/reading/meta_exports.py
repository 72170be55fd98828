"""What Meta's downloads of Messenger and Instagram have in common."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from finetune.errors import BrokenOff
from finetune.message import Account, Chat, ChatMessage, Record
from finetune.reading.source import Source, with_line_feeds

MESSENGER = "messenger"
INSTAGRAM = "instagram"

SECTIONS = {
    "messages", "inbox", "archived_threads", "filtered_threads", "message_requests",
    "e2ee_cutover",
}  # fmt: skip
"""Folders that hold a folder for each chat; a chat may move from one to another."""

INSTAGRAM_FILES = tuple(
    f"{folder}followers_and_following/{name}"
    for folder in ("", "connections/")
    for name in ("followers.json", "followers.html", "followers_1.json", "followers_1.html")
)
"""What lies in downloads from Instagram, from where their folder `messages` lies."""

MILLISECOND = timedelta(milliseconds=1)
SECOND = timedelta(seconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FAR_AWAY = timedelta(days=1_000_000)
"""No chat is written in 4707, and no time zone makes such a time unwritable."""

NOBODY = {MESSENGER: "Facebook user", INSTAGRAM: "Instagram User"}
"""What deleted accounts are shown as."""
DELETED_NAMES = {
    "",
    "facebook user", "facebook-nutzer", "facebook-nutzerin", "facebook-nutzer/in",
    "utilisateur de facebook", "utilisateur facebook", "usuario de facebook",
    "usuário do facebook", "utilizador do facebook", "utente di facebook", "utente facebook",
    "facebook-gebruiker", "użytkownik facebooka", "użytkownik facebook",
    "instagram user", "instagram-nutzer", "instagram-nutzerin", "instagram-nutzer/in",
    "utilisateur d’instagram", "utilisateur d'instagram", "utilisateur instagram",
    "usuario de instagram", "usuário do instagram", "utilizador do instagram",
    "utente di instagram", "utente instagram", "instagram-gebruiker",
    "użytkownik instagrama", "użytkownik instagram",
}  # fmt: skip
"""The names of deleted accounts, in the language of the one who downloads; small letters."""


MESSAGES = re.compile(rb'"messages"\s*:\s*\[\s*(?:\{|(\]))')


@dataclass(frozen=True, slots=True)
class ChatForm:
    """How one kind of download writes the JSON of a chat: the first key of people, what the chat is
    called, and who wrote a message when."""

    people: re.Pattern[bytes]
    title: re.Pattern[bytes]
    sender: re.Pattern[bytes]
    time: re.Pattern[bytes]

    def is_of(self, source: Source) -> bool:
        """Whether the file begins as a chat in this form, with messages or without any."""
        head = source.head
        messages = MESSAGES.search(head)
        if not (source.begins_as_object and messages and self.people.search(head)):
            return False
        if messages[1]:  # none at all
            return bool(self.title.search(head))
        return bool(self.sender.search(head) and self.time.search(head, messages.end()))


def repaired(text: str) -> str:
    """The text, with UTF-8 of which every byte was written as a character of its own put together
    again: that is how Meta writes "Ã©" for "é". Text that is no such UTF-8 throughout stays."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def words(value: object) -> str:
    """A text of the export as it was written, or "" if there is none. Raises TypeError if it is
    something else."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError("not a text")
    return with_line_feeds(repaired(value))


def time_of(count: object, unit: timedelta) -> datetime:
    """The time after so many units since 1970. Raises ValueError if it is none that a chat can
    have."""
    if isinstance(count, bool) or not isinstance(count, int) or not 0 < count < FAR_AWAY / unit:
        raise ValueError("not a time")
    return EPOCH + count * unit


def thread_of(source: Source) -> str:
    """The name of the chat's folder; "" if the file does not lie in one."""
    *folders, _ = _whole_path(source)
    if len(folders) > 1 and folders[-2] in SECTIONS and folders[-1] not in SECTIONS:
        return repaired(folders[-1])
    return ""


def chat_key(thread: str) -> str:
    """What stays of the folder's name when a group is renamed: the number behind the title."""
    number = re.fullmatch(r".*_(\d{5,})", thread, re.DOTALL)
    return number[1] if number else thread


def platform_of(source: Source) -> str | None:
    """What the nearest folder or zip is called after, a chat may be called anything; or what the
    files beside its messages say."""
    *folders, _ = _whole_path(source)
    for name in reversed(folders[:-1] if thread_of(source) else folders):
        if "instagram" in name.casefold():
            return INSTAGRAM
        if "facebook" in name.casefold() or "messenger" in name.casefold():
            return MESSENGER
    if thread_of(source) and any(source.beside(f"../../../{file}") for file in INSTAGRAM_FILES):
        return INSTAGRAM
    return None


def _whole_path(source: Source) -> tuple[str, ...]:
    return (source.tree.path.absolute() / source.place).parts


def is_deleted(name: str) -> bool:
    """Whether the name stands for any account that is no more."""
    return name.strip().casefold() in DELETED_NAMES


def account(name: str, chat: Chat) -> Account:
    """Who writes under this name; the downloads have no ids of people.

    All deleted people have one name. They are kept apart by chat at least.
    """
    if is_deleted(name):
        nobody = NOBODY[chat.platform]
        return Account(chat.platform, f"{nobody} in {chat.key}", nobody, nobody)
    name = name.strip()
    return Account(chat.platform, name, name, name)


def ties_oldest_first(records: Iterable[Record]) -> Iterator[Record]:
    """The records, with messages of a chat that have the same time turned round where the file
    goes from new to old. The whole file is never held."""
    run: list[ChatMessage] = []
    broken_off = None
    newest_first = True
    try:
        for record in records:
            if not isinstance(record, ChatMessage):
                yield record
                continue
            if run and (record.chat, record.sent_at) != (run[0].chat, run[0].sent_at):
                if record.chat == run[0].chat:
                    newest_first = record.sent_at < run[0].sent_at
                yield from reversed(run) if newest_first else run
                run = []
            run.append(record)
    except BrokenOff as error:
        broken_off = error
    yield from reversed(run) if newest_first else run
    if broken_off:
        raise broken_off

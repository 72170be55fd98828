"""What people write and do in the group, as events of the show. Pure but for the log: updates in,
events out."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from telegram import Message, MessageEntity, MessageReactionUpdated, ReactionTypeEmoji, User

from orchestrator.platforms import Edit, PersonLine, Reaction

LATE = timedelta(seconds=30)
"""A message older than this was written while the show did not listen."""
SOMEBODY = "somebody"
MOST_LOST = 50


class Asked(NamedTuple):
    """A command that somebody typed: `/ask@OurBot Dex` is ("ask", "Dex")."""

    name: str
    argument: str
    is_for_us: bool
    """Whether it names this bot; without a name it may be any bot's."""


class Bots(NamedTuple):
    """Who is who: user names (in lower case) and ids of accounts. "" is the show's own bot."""

    by_name: Mapping[str, str]
    by_id: Mapping[int, str]


class LostNumbers:
    """Messages of which Telegram did not tell the number, until somebody replies to one."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, str] = OrderedDict()
        self._found: OrderedDict[str, str] = OrderedDict()

    def add(self, text: str, unknown_id: str) -> None:
        self._ids[text] = unknown_id
        if len(self._ids) > MOST_LOST:
            self._ids.popitem(last=False)

    def found(self, message: Message, message_id: str) -> str:
        """The id under which the show knows the message."""
        unknown_id = self._ids.get(message.text or "")
        if unknown_id is None:
            return message_id
        self._found[unknown_id] = message_id
        return unknown_id

    def real(self, message_id: str) -> str:
        """The id under which Telegram knows it, as far as that has come out."""
        return self._found.get(message_id, message_id)


def author_of(message: Message) -> str | None:
    """Who wrote it; None for a bot. Admins may write in the name of the group or a channel."""
    if message.sender_chat is not None:
        return message.sender_chat.title or message.sender_chat.full_name or SOMEBODY
    if message.from_user is None or message.from_user.is_bot:
        return None
    return name_of(message.from_user)


def name_of(user: User) -> str:
    return user.full_name.strip() or SOMEBODY


def words_of(message: Message) -> str:
    """What was written, also under a picture."""
    return message.text or message.caption or ""


def command_in(message: Message, username: str) -> Asked | None:
    """The command that the message is, if it is one; another bot's has no name here."""
    text = message.text or ""
    entities = message.entities
    if not any(e.type == MessageEntity.BOT_COMMAND and e.offset == 0 for e in entities):
        return None
    if message.forward_origin is not None or message.via_bot is not None:
        return Asked("", "", is_for_us=False)  # somebody else's words
    first, *rest = text.split()
    name, _, bot = first[1:].partition("@")
    if bot and bot.casefold() != username.casefold():
        return Asked("", "", is_for_us=False)
    return Asked(name.casefold(), " ".join(rest), is_for_us=bool(bot))


def answered_by(message: Message) -> Message | None:
    """The message that it replies to. In a topic of a forum, Telegram has all that is written reply
    to the message that began the topic, which is nobody's."""
    answered = message.reply_to_message
    return None if answered is None or answered.forum_topic_created else answered


class Hearing:
    """Lines of one group. `id_of` tells a message's id as the show knows it."""

    def __init__(
        self,
        bots: Callable[[], Bots],
        somebody: Callable[[str], Sequence[str]],
        id_of: Callable[[Message], str],
    ) -> None:
        self._bots = bots
        self._somebody = somebody
        self._id_of = id_of

    def line(self, message: Message, author: str, now: datetime) -> PersonLine | None:
        """None if there is nothing to read in it."""
        text = words_of(message)
        if not text.strip():
            return None
        text, addressed = self._read(text)
        answered = answered_by(message)
        if answered is not None and not addressed:
            addressed = self._answered(answered)
        at = message.date if message.date < now - LATE else None
        reply_to = self._id_of(answered) if answered is not None else None
        return PersonLine(self._id_of(message), author, text, reply_to, addressed, at)

    def _read(self, text: str) -> tuple[str, tuple[str, ...]]:
        """The text with names in place of bots, and the friends whom it calls by them."""
        names = self._bots().by_name
        called: list[str] = []

        def name(found: re.Match[str]) -> str:
            friend = names.get(found[1].casefold())
            if friend is None:
                return found[0]
            called.append(friend)
            return friend

        text = re.sub(r"@(\w+)", name, text).strip() or text
        friends = tuple(dict.fromkeys(filter(None, called)))
        if called and not friends:
            friends = tuple(self._somebody(text))  # the show's own bot: anybody, but somebody
        return text, friends

    def _answered(self, answered: Message) -> tuple[str, ...]:
        """Whose line is replied to, if the account tells. The show's own bot speaks for many, and
        which line of theirs it was is the transcript's to know."""
        account = answered.from_user
        friend = self._bots().by_id.get(account.id) if account else None
        return (friend,) if friend else ()

    def edit(self, message: Message) -> Edit | None:
        """The new wording of a person's line; None for others' messages and commands."""
        text = words_of(message)
        if author_of(message) is None or text.startswith("/"):
            return None
        return Edit(self._id_of(message), self._read(text)[0])


def reactions(update: MessageReactionUpdated, chat_id: int) -> Iterator[Reaction]:
    """What changed. Telegram tells it only to bots that are administrators."""
    if update.user is None or update.user.is_bot:
        return
    old = {r.emoji for r in update.old_reaction if isinstance(r, ReactionTypeEmoji)}
    new = {r.emoji for r in update.new_reaction if isinstance(r, ReactionTypeEmoji)}
    author, message_id = name_of(update.user), f"{chat_id}/{update.message_id}"
    for emoji in sorted(old - new):
        yield Reaction(message_id, author, emoji, removed=True)
    for emoji in sorted(new - old):
        yield Reaction(message_id, author, emoji)

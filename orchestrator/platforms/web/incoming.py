"""What a page may send over its socket, read whatever comes. Pure.

Author and text are taken as they are: whoever shows them must not take them for markup.
"""

from __future__ import annotations

import json
import time
import unicodedata
from collections.abc import Callable, Collection
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from finetune.markup import plain_words
from orchestrator.platforms.web import limits

SOMEBODY = "somebody"
"""Whoever gives no name."""
SEPARATORS = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Control characters, halves of surrogate pairs, ends of lines and paragraphs."""
JOINER = "\u200d"
"""Makes one emoji of several, and belongs to the spelling of some languages."""
INVISIBLE = SEPARATORS | {"Cf", "Zs"}

Number = Annotated[int, Field(ge=0, lt=10**limits.ID_DIGITS)]


class Unreadable(ValueError):
    """No frame that a page of ours sends; the message says what is wrong with it. `to` is the
    number under which an answer is waited for, if that much can be read."""

    def __init__(self, message: str, to: int | None = None) -> None:
        super().__init__(message)
        self.to = to


def _on_one_line(text: str) -> str:
    plain = "".join(" " if unicodedata.category(c) in SEPARATORS else c for c in text)
    return " ".join(plain.split())


def _name(text: str) -> str:
    """Without what is not seen, which would make it another name that looks the same."""
    seen = "".join(c for c in text if c == JOINER or unicodedata.category(c) != "Cf")
    return _on_one_line(seen) if _is_seen(seen) else SOMEBODY


def _is_seen(text: str) -> bool:
    return any(unicodedata.category(c) not in INVISIBLE for c in text)


def _alike(name: str) -> str:
    """The same for names that are told apart only by width, case and the like."""
    return unicodedata.normalize("NFKC", name.replace(JOINER, "")).casefold()


class _Frame(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


Author = Annotated[str, Field(max_length=limits.NAME_CHARS), AfterValidator(_name)]
Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
Said = Annotated[
    str,
    Field(max_length=limits.TEXT_CHARS),
    AfterValidator(lambda t: t.encode(errors="replace").decode()),
]


class Say(_Frame):
    """A person says something. `key`: the same again is the same line."""

    type: Literal["say"]
    to: Number
    author: Author = SOMEBODY
    text: Said
    reply_to: Number | None = None
    key: Key | None = None


class Order(_Frame):
    """A person wants something of the show; `line` is the one that they point at."""

    type: Literal["command"]
    to: Number
    author: Author = SOMEBODY
    name: Annotated[str, Field(max_length=limits.COMMAND_CHARS, pattern=r"^\w+$")]
    argument: Annotated[
        str, Field(max_length=limits.ARGUMENT_CHARS), AfterValidator(_on_one_line)
    ] = ""
    line: Number | None = None
    key: Key | None = None


class Visible(_Frame):
    """Whether the page is looked at, or lies behind others."""

    type: Literal["visible"]
    visible: bool


Incoming = Say | Order | Visible
FRAMES: TypeAdapter[Incoming] = TypeAdapter(Annotated[Incoming, Field(discriminator="type")])


def read(text: str) -> Incoming:
    """Raises Unreadable."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable("That is no JSON.") from error
    if not isinstance(data, dict):
        raise Unreadable("A frame is an object.")
    try:
        return FRAMES.validate_python(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        to = data.get("to")
        if type(to) is not int or not 0 <= to < 10**limits.ID_DIGITS:
            to = None
        raise Unreadable(_sentence(first["loc"], first["type"]), to) from error


def _sentence(place: tuple[int | str, ...], problem: str) -> str:
    """In the words of whoever typed it, as far as it is their mistake."""
    field_name = str(place[-1]) if place else ""
    if problem == "string_too_long" and field_name == "text":
        return f"A line has at most {limits.TEXT_CHARS} letters."
    if problem == "string_too_long" and field_name == "author":
        return f"A name has at most {limits.NAME_CHARS} letters."
    if field_name == "name":
        return "There is no such command; /help lists those there are."
    if problem.startswith("union_tag"):
        return "A frame has a type: say, command or visible."
    return f"{field_name or 'that'} is missing, too long or none of its kind."


def objection(frame: Say | Order, friends: Collection[str]) -> str | None:
    """Why this must not go on to the show, in words for whoever sent it. `friends` are all names
    of friends: nobody speaks for them."""
    if _alike(frame.author) in map(_alike, friends):
        return f"{frame.author} is one of the friends; take another name."
    if isinstance(frame, Say) and not _is_seen(plain_words(frame.text)):
        return "There is nothing to read in that."
    return None


class Allowance:
    """Frames that one page may send: so many at once, and so many per second after that."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._left, self._at = float(limits.FRAMES_AT_ONCE), now()

    def take(self) -> bool:
        """Takes one, if there is one."""
        now = self._now()
        self._left += (now - self._at) * limits.FRAMES_PER_SECOND
        self._left, self._at = min(self._left, limits.FRAMES_AT_ONCE), now
        if self._left < 1:
            return False
        self._left -= 1
        return True

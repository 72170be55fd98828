"""What all sections of settings.toml have in common."""

from __future__ import annotations

import re
import unicodedata
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Self, get_args
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

TOKEN = re.compile(
    r"\d{6,12}:[\w-]{30,}"  # Telegram: bot id, colon, secret
    r"|[\w-]{20,30}\.[\w-]{6,7}\.[\w-]{25,}"  # Discord: id, time and signature
)


def looks_like_a_token(text: str) -> bool:
    """Whether it has the form of a chat platform's token."""
    return TOKEN.fullmatch(text.strip()) is not None


class Section(BaseModel):
    """A part of settings.toml: its keys are known, and it does not change."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _switches_are_no_numbers(cls, data: Any) -> Any:
        """To Python, and so to pydantic, true is 1; as a word it is refused at its place."""
        if not isinstance(data, dict):
            return data
        numbers = {name for name, field in cls.model_fields.items() if _is_number(field.annotation)}
        return {
            key: _switches_as_words(value) if key in numbers else value
            for key, value in data.items()
        }


def _is_number(annotation: Any) -> bool:
    """Whether it is a number, or something made of numbers."""
    parts = get_args(annotation)
    return any(map(_is_number, parts)) if parts else annotation in (int, float)


def _switches_as_words(value: Any) -> Any:
    if isinstance(value, list):
        return [_switches_as_words(one) for one in value]
    return str(value) if isinstance(value, bool) else value


def _name(text: str) -> str:
    # Marks and emoji may be all there is of a name.
    if not text.strip() or any(unicodedata.category(char) == "Cc" for char in text):
        raise ValueError(f"{text!r} is no name: it is empty, or has ends of lines in it")
    return text


Name = Annotated[str, Field(max_length=80), AfterValidator(_name)]
"""What somebody is called."""


class Stage(Section):
    """What every stage has."""

    conversation: str = Field(
        "main", description="stages with the same word here show the same conversation"
    )

    @field_validator("conversation")
    @classmethod
    def _one_word(cls, text: str) -> str:
        # It becomes a part of a file's name.
        if not re.fullmatch(r"[\w-]{1,40}", text):
            raise ValueError(
                f"{text!r} should be one word of letters, digits, - and _, with at most 40 of them"
            )
        return text


class TokenSource(Section):
    """Where a token is. It stays out of this file: settings are shown to friends, copied, and put
    under version control."""

    token_env: str = Field("", description="environment variable that holds the token")
    token_file: Path | None = Field(
        None, description="file that holds it, which only you may read (mode 0600)"
    )

    @model_validator(mode="before")
    @classmethod
    def _no_token_here(cls, data: Any) -> Any:
        if isinstance(data, dict) and (found := [key for key in data if key == "token"]):
            raise ValueError(
                f"the {found[0]} itself does not belong here: put it into a file that only you may "
                "read and name that as token_file, or into an environment variable (token_env)"
            )
        return data

    @field_validator("token_env")
    @classmethod
    def _a_variable(cls, name: str) -> str:
        # What stands here may be the token itself, so it is not repeated.
        if name and not re.fullmatch(r"[A-Za-z_]\w{0,99}", name, re.ASCII):
            raise ValueError("that is no name of an environment variable; the token stays out of "
                             "this file, as whoever reads it could use it")  # fmt: skip
        return name

    @field_validator("token_file")
    @classmethod
    def _a_file(cls, path: Path | None) -> Path | None:
        if path is not None and looks_like_a_token(str(path)):
            raise ValueError(
                "that looks like the token itself; put it into a file that only you may read, and "
                "name the file here"
            )
        return path

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.token_env and self.token_file:
            raise ValueError("give token_env or token_file, not both")
        return self


class TokenStage(TokenSource, Stage):
    """A stage that needs a token."""


def server_address(text: str, example: str) -> str:
    """The address of a server that is sent a token, without a slash at its end; "" stays. Raises
    ValueError for anything else, and for one where the token could be read on the way."""
    address = urlsplit(text.rstrip("/"))
    if not text:
        return text
    if address.scheme not in ("http", "https") or not address.hostname:
        raise ValueError(f"{text!r} is no such thing as {example!r}")
    if address.scheme == "http" and not _is_near(address.hostname):
        raise ValueError(
            f"{text!r} would send the token for all to read; begin it with https:// "
            "(http:// is for servers on this machine or in its own network)"
        )
    return address.geturl()


def _is_near(host: str) -> bool:
    """Whether what is sent there stays on this machine or in its own network."""
    try:
        return ip_address(host).is_private
    except ValueError:
        return host == "localhost" or "." not in host  # a name of a container's network

"""Settings of a Telegram chat as a stage. Knows nothing of python-telegram-bot."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from orchestrator.platforms.telegram.command_settings import CommandSettings
from orchestrator.sections import TokenSource, TokenStage, server_address

LISTEN = re.compile(r"(?P<host>[\w.:-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>\d{1,5})")


class TelegramStage(TokenStage):
    """A group in which the show is seen, private chats with the friends, or both."""

    platform: Literal["telegram"] = Field("telegram", description="where the show is to be seen")
    chat: int | None = Field(
        None, description="id of the group; /start in it tells which. Without one there is no show"
    )
    friend_tokens: dict[str, TokenSource] = Field(
        {},
        description="where the token of each friend's own bot is, as "
        '[stages.friend_tokens.Dex] token_file = "dex.token"; who has none speaks through the '
        "show's bot, with the name before the line",
    )
    silent: bool = Field(
        True, description="the friends' talk makes no sound on phones; answers to people do"
    )
    messages_per_minute: int = Field(
        20, ge=0, description="in the group, a quarter of them only for answers to people; "
        "Telegram takes no more than 20 of a bot; 0: no limit"
    )  # fmt: skip
    private: bool = Field(False, description="people may talk with one friend in private")
    people: tuple[Annotated[int, Field(gt=0)], ...] = Field(
        (), description="ids of those who may; /start in a private chat tells one's own"
    )
    webhook: str = Field(
        "", description="https:// address at which Telegram reaches webhook_listen, as through a "
        "proxy; empty: the bot asks for news itself (long polling)"
    )  # fmt: skip
    webhook_listen: str = Field(
        "127.0.0.1:8443", description="address and port at which news are taken in, as plain HTTP"
    )
    commands: CommandSettings = Field(
        CommandSettings(), description="who may use which command: [stages.commands]"
    )
    api_base: str = Field(
        "", description="another Bot API server, as http://localhost:8081; empty: Telegram's"
    )

    @model_validator(mode="after")
    def _something_to_do(self) -> Self:
        if self.chat is None and not self.private:
            raise ValueError(
                "name the group with chat = ..., or allow private chats with private = true"
            )
        if self.private and not self.people:
            raise ValueError(
                "private = true lets in only those whose ids are in people = [...]; it has none yet"
            )
        return self

    @field_validator("chat")
    @classmethod
    def _a_group(cls, chat: int | None) -> int | None:
        if chat is not None and chat >= 0:
            raise ValueError(f"{chat} is no group: ids of groups begin with a minus")
        return chat

    @field_validator("webhook")
    @classmethod
    def _public(cls, text: str) -> str:
        address = urlsplit(text)
        if text and (address.scheme != "https" or not address.hostname):
            raise ValueError(f"{text!r} is no address that Telegram calls: it begins with https://")
        return text

    @field_validator("webhook_listen")
    @classmethod
    def _listen(cls, text: str) -> str:
        found = LISTEN.fullmatch(text)
        if found is None or int(found["port"]) > 65535:
            raise ValueError(f"{text!r} is no such thing as '127.0.0.1:8443'")
        return text

    @property
    def listens_at(self) -> tuple[str, int]:
        """Host and port of `webhook_listen`."""
        host, _, port = self.webhook_listen.rpartition(":")
        return host.strip("[]"), int(port)

    @field_validator("api_base")
    @classmethod
    def _base(cls, text: str) -> str:
        return server_address(text, "http://localhost:8081")

"""settings.toml -> validated, frozen settings. Read by the orchestrator only."""

from __future__ import annotations

import os
import re
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from model_server import wire
from orchestrator.errors import SettingsError
from orchestrator.platforms.discord.settings import DiscordStage
from orchestrator.platforms.telegram.settings import TelegramStage
from orchestrator.platforms.terminal_settings import TerminalStage
from orchestrator.platforms.web.settings import WebStage
from orchestrator.sections import Name, Section
from orchestrator.wording import sentence_on_settings, sentence_on_toml

SETTINGS_FILE = "settings.toml"
ENVIRONMENT_VARIABLE = "BOTCONVO_SETTINGS"

Chance = Annotated[float, Field(ge=0, le=1)]
Color = Literal["red", "green", "yellow", "blue", "magenta", "cyan", "white"]


class ConversationSettings(Section):
    """Who speaks, about what, and how fast."""

    chaos: Chance = Field(0.3, description="0: who speaks next follows the export; 1: anybody")
    pause_seconds: float = Field(4.0, ge=0, description="typical pause between two lines")
    history_lines: int = Field(12, ge=1, le=200, description="last lines that a friend sees")
    human_prompt_chance: Chance = Field(
        1.0, description="how often a person who names nobody is answered"
    )
    bot_prompt_chance: Chance = Field(0.7, description="how often a line takes up a phrase")
    begin_with_phrase_chance: Chance = Field(
        0.15, description="how often a dialogue friend starts with that phrase"
    )
    fresh_prompt_chance: Chance = Field(0.06, description="how often a new topic begins")


class LimitSettings(Section):
    """How much the friends talk while nobody does. Whoever speaks to them is answered."""

    lines_in_a_row: int = Field(600, ge=1, description="without a person; then they wait for one")
    lines_alone: int = Field(3, ge=1, description="the same, if there is only one friend")
    lines_per_hour: int = Field(900, ge=1, description="that no person asked for")
    longest_pause_seconds: float = Field(
        600.0, ge=0, description="pauses grow up to this while nobody reads"
    )
    people_per_minute: int = Field(
        6, ge=2, description="lines of people among themselves from which on friends only answer"
    )
    quiet_hours: str = Field("", description='"23:00-07:30": only answers then; empty: never quiet')
    phrase_rounds: int = Field(4, ge=1, description="lines in which a phrase may come up")
    repeat_within_lines: int = Field(50, ge=1, description="no line is said again within so many")

    @field_validator("quiet_hours")
    @classmethod
    def _hours(cls, text: str) -> str:
        _from_to(text)
        return text

    def is_quiet(self, at: time) -> bool:
        """Whether this time of day is in the quiet hours, which may span midnight."""
        if (hours := _from_to(self.quiet_hours)) is None:
            return False
        first, last = hours
        return first <= at < last if first <= last else at >= first or at < last

    def quiet_until(self, now: datetime) -> datetime:
        """When the quiet hours that `now` is in end."""
        hours = _from_to(self.quiet_hours)
        assert hours is not None
        end = datetime.combine(now.date(), hours[1], now.tzinfo)
        return end if end > now else end + timedelta(days=1)


def _from_to(text: str) -> tuple[time, time] | None:
    """Two times of day of "23:00-07:30"; None for "". Raises ValueError."""
    if not text.strip():
        return None
    first, _, last = text.partition("-")
    try:
        hours = time.fromisoformat(first.strip()), time.fromisoformat(last.strip())
        if any(hour.tzinfo for hour in hours):
            raise ValueError("the hours are those of this machine's clock")
    except ValueError as error:
        raise ValueError(f"{text!r} is no such thing as '23:00-07:30'") from error
    return hours


class GenerationSettings(Section):
    """How lines are drawn from the models."""

    candidates: int = Field(5, ge=1, le=16, description="lines drawn, of which one is said")
    temperature: float = Field(0.75, ge=0, le=5, description="0: always the likeliest word")
    top_k: int = Field(40, ge=0, description="only among so many words; 0: among all")
    top_p: float = Field(0.92, gt=0, le=1, description="only among words this likely together")
    max_tokens: int = Field(48, ge=1, le=1024, description="longest line, in tokens")
    repetition_penalty: float = Field(1.0, ge=1, le=10, description="1 is off")
    no_repeat_ngram: wire.Ngram = Field(
        0, description="no sequence of so many tokens twice; 0 is off"
    )
    banned_words: tuple[str, ...] = Field((), description="lines with these are never said")


class PhraseSettings(Section):
    """How phrases are found in a line."""

    pipeline: str = Field(
        "",
        description="an installed spaCy pipeline, or a folder; empty: the packaged one for "
        "English, plain words otherwise",
    )


class ServerSettings(Section):
    """The local model servers, and the key for those elsewhere."""

    engine: Literal["auto", "llama", "tensorflow", "echo"] = Field("auto", description="see README")
    threads: int = Field(0, ge=0, description="per server; 0: the machine's cores shared out")
    first_port: int = Field(
        8001, ge=0, le=65535, description="friends without a port get the free ones from here on"
    )
    key_file: Path | None = Field(
        None, description="file with the key that servers elsewhere ask for, which only you may "
        "read; or: `$BOTCONVO_SERVER_KEY`"
    )  # fmt: skip


def _language(code: str) -> str:
    if not re.fullmatch("[a-z]{2,3}", code):
        raise ValueError(f"{code!r} is no such thing as 'en' or 'de'")
    return code


Language = Annotated[str, AfterValidator(_language)]


def _folder(path: Path) -> Path:
    if any(unicodedata.category(char) == "Cc" for char in str(path)):
        raise ValueError("write it with / in place of \\, which begins a special sign in TOML")
    return path


Folder = Annotated[Path, AfterValidator(_folder)]


class FriendSettings(Section):
    """One bot-clone. Give `checkpoint` or `url`."""

    name: Name = Field(description="how the friend is called")
    checkpoint: Folder | None = Field(None, description="folder, relative to this file")
    url: str | None = Field(None, description="a model server that runs elsewhere")
    port: int | None = Field(None, ge=1, le=65535, description="of the friend's local server")
    aliases: tuple[Name, ...] = Field((), description="other names that people call them")
    talkativeness: Chance = Field(0.5, description="0: only when asked; 1: all the time")
    color: Color | None = Field(None, description="of the name")
    avatar: str = Field(
        "", description="a picture: a file, relative to this one, or an https:// address; empty: "
        "a drawn face"
    )  # fmt: skip

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.checkpoint is None) == (self.url is None):
            raise ValueError("give either checkpoint or url")
        return self


StageSettings = Annotated[
    TerminalStage | WebStage | DiscordStage | TelegramStage, Field(discriminator="platform")
]
"""Where people watch."""


class Settings(Section):
    """The whole of settings.toml. Without friends, those in `checkpoints/` beside the file
    that are trained already speak, or else the four of the demo. Without stages, they do so in
    the terminal and on a web page."""

    schema_version: Literal[1] = Field(1, alias="schema", description="of this file's form")
    language: Language = Field("en", description="that the friends write in")
    conversation: ConversationSettings = ConversationSettings()
    limits: LimitSettings = LimitSettings()
    generation: GenerationSettings = GenerationSettings()
    phrases: PhraseSettings = PhraseSettings()
    servers: ServerSettings = ServerSettings()
    friends: tuple[FriendSettings, ...] = ()
    stages: tuple[StageSettings, ...] = ()

    @model_validator(mode="after")
    def _no_doubles(self) -> Self:
        owners: dict[int, str] = {}
        for place, friend in enumerate(self.friends):
            if friend.port is not None and friend.port in owners:
                raise ValueError(
                    f"friends[{place}].port {friend.port} is already used by "
                    f"{owners[friend.port]!r}; give every friend a port of their own"
                )
            if friend.port is not None:
                owners[friend.port] = friend.name
        names = Counter(
            name
            for friend in self.friends
            for name in {name.casefold() for name in (friend.name, *friend.aliases)}
        )
        for name, count in names.items():
            if count > 1:
                raise ValueError(f"two friends are called {name!r}; give each another name")
        return self

    @model_validator(mode="after")
    def _chats_apart(self) -> Self:
        """What is said in one chat is shown in another only if that is said to be meant."""
        first: dict[str, int] = {}
        for place, stage in enumerate(self.stages):
            if not isinstance(stage, DiscordStage | TelegramStage):
                continue
            other = first.setdefault(stage.conversation, place)
            both = (stage, self.stages[other])
            if other != place and not all("conversation" in s.model_fields_set for s in both):
                raise ValueError(
                    f"stages[{other}] and stages[{place}] are two chats, and what is said in one "
                    "would be shown in the other; give each a conversation of its own "
                    '(conversation = "some-word"), or both the same word if that is meant'
                )
        return self


def find_settings(named: Path | None, environment: Mapping[str, str] = os.environ) -> Path | None:
    """The settings file to use, or None for the packaged demo. Raises SettingsError if one
    is named and is not there."""
    by = ""
    if named is None and environment.get(ENVIRONMENT_VARIABLE):
        named = Path(environment[ENVIRONMENT_VARIABLE])
        by = f", which ${ENVIRONMENT_VARIABLE} names"
    if named is not None:
        if not named.exists():
            raise SettingsError(f"{named}: there is no such settings file{by}.")
        return named
    local = Path(SETTINGS_FILE)
    return local if os.path.lexists(local) else None


def read_settings(path: Path) -> Settings:
    """Raises SettingsError with the file, the key and what is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # Windows marks the beginning of a text
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is no text in UTF-8; save it as that.") from error
    try:
        return Settings.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}{sentence_on_toml(error, text)}.") from error
    except ValidationError as error:
        raise SettingsError(f"{path}{sentence_on_settings(error, text, Settings)}.") from error

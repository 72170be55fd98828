"""Which stages a show has, and the platform of each. Imports a platform only if it is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.cast import Show
from orchestrator.errors import SettingsError
from orchestrator.platforms import Platform
from orchestrator.platforms.discord.settings import DiscordStage
from orchestrator.platforms.telegram.settings import TelegramStage
from orchestrator.platforms.terminal_settings import TerminalStage
from orchestrator.platforms.web.settings import WebStage
from orchestrator.settings import StageSettings
from orchestrator.tokens import Tokens

USUAL = (TerminalStage(), WebStage())
"""Without any in the settings."""
WITHOUT_SETTINGS: Mapping[str, StageSettings] = {stage.platform: stage for stage in USUAL}


def stages_of(
    show: Show, wanted: Sequence[str] = (), *, ends_by_itself: bool = False
) -> tuple[StageSettings, ...]:
    """The stages of these platforms; all in the settings if none is named. A show that
    `ends_by_itself` needs no page of its own accord. Raises SettingsError."""
    stages = show.settings.stages
    if not wanted:
        return stages or (USUAL[:1] if ends_by_itself else USUAL)
    found: list[StageSettings] = []
    for platform in dict.fromkeys(wanted):
        of_it = [stage for stage in stages if stage.platform == platform]
        if not of_it and platform not in WITHOUT_SETTINGS:
            raise SettingsError(
                f"The settings have no [[stages]] with platform = {platform!r}; "
                f"see what it needs with: botconvo doctor {platform}"
            )
        found += of_it or [WITHOUT_SETTINGS[platform]]
    return tuple(found)


def on_stage(show: Show, stages: Sequence[StageSettings]) -> dict[str, list[Platform]]:
    """The platforms of each conversation. Raises SettingsError, as for a missing token."""
    tokens = Tokens(show.home)
    found: dict[str, list[Platform]] = {}
    for stage in stages:
        found.setdefault(stage.conversation, []).append(_platform(stage, show, tokens))
    names = [platform.name for platforms in found.values() for platform in platforms]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(f"Two stages are both {name}; take one out of the settings.")
    return found


def _platform(stage: StageSettings, show: Show, tokens: Tokens) -> Platform:
    match stage:
        case TerminalStage():
            from orchestrator.platforms.terminal import terminal_stage

            _speak_for_nobody(stage, show)
            return terminal_stage(
                {friend.name: friend.color for friend in show.friends}, stage.name
            )
        case WebStage():
            from orchestrator.platforms.web.platform import WebPlatform

            return WebPlatform(stage, show, tokens)
        case DiscordStage():
            from orchestrator.platforms.discord.platform import DiscordPlatform

            return DiscordPlatform(stage, show, tokens)
        case TelegramStage():
            from orchestrator.platforms.telegram.platform import TelegramPlatform

            return TelegramPlatform(stage, show, tokens)


def _speak_for_nobody(stage: TerminalStage, show: Show) -> None:
    """Raises SettingsError if whoever types there would be taken for a friend."""
    friends = (name for friend in show.friends for name in (friend.name, *friend.aliases))
    if stage.name.casefold() in map(str.casefold, friends):
        raise SettingsError(
            f"The terminal's name, {stage.name!r}, is that of a friend; take another one."
        )

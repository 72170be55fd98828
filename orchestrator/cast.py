"""Who is in the show: settings with everything that they name found, and where they name nobody,
the friends that are trained already, or those of the demo."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from model_server.checkpoint_format import MANIFEST_FILE, CheckpointError, Manifest
from orchestrator.errors import SettingsError
from orchestrator.settings import Color, FriendSettings, Settings, find_settings, read_settings

DEMO = Path(__file__).parent / "demo"
COLORS: tuple[Color, ...] = ("yellow", "cyan", "magenta", "green", "blue", "red", "white")
"""In the order in which friends without one get them."""


@dataclass(frozen=True, slots=True)
class Friend:
    """A friend as the show knows them: settings, resolved paths, and their manifest."""

    name: str
    checkpoint: Path | None
    url: str | None
    port: int | None
    aliases: tuple[str, ...]
    talkativeness: float
    color: Color
    manifest: Manifest
    avatar: Path | str = ""
    """A file that is there, an https:// address, or "" for a drawn face."""


@dataclass(frozen=True, slots=True)
class Show:
    """Settings with everything that they name found."""

    settings: Settings
    home: Path
    """Folder that `data/` and `checkpoints/` lie in."""
    friends: tuple[Friend, ...]
    is_demo: bool
    learning: tuple[str, ...] = ()
    """Friends whose training is not over, and who are left out for that."""


def read_show(named: Path | None, *, also_learning: bool = False) -> Show:
    """Settings and friends of the show; `also_learning` takes those whose training is not over
    too, as they are at their last save. Raises SettingsError."""
    path = find_settings(named)
    settings = read_settings(path) if path else Settings()
    home = path.parent if path else Path()
    friends = settings.friends
    learning: tuple[FriendSettings, ...] = ()
    if not friends:
        friends, learning = _trained_friends(home / "checkpoints")
    if also_learning:
        friends, learning = friends + learning, ()
    is_demo = not friends
    if is_demo:
        friends, _ = _trained_friends(DEMO / "friends")
    if not friends:
        raise SettingsError(
            f"{path or 'settings.toml'} names no friends, and none is trained yet; "
            "train one with: botconvo train FRIEND"
        )
    found = tuple(
        _friend(friend, COLORS[place % len(COLORS)], home, f"{path}: friends[{place}]")
        for place, friend in enumerate(friends)
    )
    return Show(settings, home, found, is_demo, tuple(friend.name for friend in learning))


def _trained_friends(
    folder: Path,
) -> tuple[tuple[FriendSettings, ...], tuple[FriendSettings, ...]]:
    """Friends of all checkpoints in a folder: those that are trained, and those of whom there is
    only a run that has saved something and is not over."""
    trained: dict[str, FriendSettings] = {}
    learning: dict[str, FriendSettings] = {}
    for path in sorted(folder.glob(f"*/{MANIFEST_FILE}")):
        try:
            manifest = Manifest.read(path.parent)
        except CheckpointError as error:
            raise SettingsError(f"{error}; train that friend again.") from error
        if manifest.speaker and manifest.gguf:
            of_this_kind = learning if manifest.in_training else trained
            of_this_kind[manifest.speaker.casefold()] = FriendSettings(
                name=manifest.speaker, checkpoint=path.parent.absolute()
            )
    still = tuple(friend for name, friend in learning.items() if name not in trained)
    return tuple(trained.values()), still


def _friend(friend: FriendSettings, color: Color, home: Path, where: str) -> Friend:
    checkpoint = home / friend.checkpoint if friend.checkpoint else None
    manifest = Manifest()
    if checkpoint is not None:
        if not checkpoint.is_dir():
            raise SettingsError(
                f"{where}.checkpoint: there is no folder {checkpoint}; train the friend with: "
                f"botconvo train {shlex.quote(friend.name)}"
            )
        try:
            manifest = Manifest.read(checkpoint)
        except CheckpointError as error:
            raise SettingsError(f"{where}.checkpoint: {error}.") from error
    return Friend(
        friend.name, checkpoint, friend.url, friend.port, friend.aliases,
        friend.talkativeness, friend.color or color, manifest,
        _avatar(friend.avatar, home, where),
    )  # fmt: skip


def _avatar(avatar: str, home: Path, where: str) -> Path | str:
    if not avatar or avatar.startswith("https://"):
        return avatar
    path = home / avatar
    if not path.is_file():
        raise SettingsError(f"{where}.avatar: there is no picture {path}.")
    return path

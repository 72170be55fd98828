"""What a stage may look at and act on besides its own messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from model_server.checkpoint_format import Manifest
from orchestrator.cast import Show
from orchestrator.control import Control
from orchestrator.drawing import Friends
from orchestrator.transcript import Transcript

if TYPE_CHECKING:
    from orchestrator.phrases import PhrasePicker


class FriendsKnown(Friends, Protocol):
    """The friends' servers, and what is known of the models."""

    def manifest_of(self, friend: str) -> Manifest:
        """The friend's manifest; that of a server elsewhere once it has been reached."""
        ...


@dataclass(frozen=True, slots=True)
class Backstage:
    """One conversation as its stages see it. Everything happens on the show's event loop.

    Stages read the transcript (of `conversation` there) and never write to it; what people want
    goes through `Command` events, so that it is recorded, or for what only looks, `control`.
    """

    show: Show
    transcript: Transcript
    control: Control
    friends: FriendsKnown
    picker: PhrasePicker
    now: Callable[[], datetime]
    places: Callable[[], Sequence[str]] = tuple
    """Where the stages of the conversation are to be found, as far as they say so."""
    _watching: list[Callable[[], None]] = field(default_factory=list)

    def watch(self, changed: Callable[[], None]) -> None:
        """Calls `changed` after anything that `control` or `friends` tell may read otherwise:
        who thinks, a mute, a server that is up. It must neither wait nor raise."""
        self._watching.append(changed)

    def tell(self) -> None:
        """Something changed."""
        for changed in self._watching:
            changed()

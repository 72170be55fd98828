"""As whom a person talks with a friend: a name that the friend has read in the export makes a
difference. Pure, but for the login name."""

from __future__ import annotations

import getpass
import unicodedata
from collections.abc import Sequence

from model_server.checkpoint_format import Manifest
from orchestrator.errors import OrchestratorError
from orchestrator.platforms.terminal_settings import YOU

LONGEST_NAME = 80
"""As of a friend in the settings."""


def known_people(manifest: Manifest, friend: str) -> Sequence[str]:
    """Those whom the friend has read in the export, without themselves."""
    return [name for name in manifest.known_speakers if name.casefold() != friend.casefold()]


def own_name(wished: str | None, known: Sequence[str], friend: str) -> str:
    """The name that was wished for, as the friend spells it if it is known; without a wish the
    login name if the friend knows that, else "You". Raises OrchestratorError."""
    if wished is None:
        return _as_known(_login_name(), known) or YOU
    name = " ".join(wished.split())
    if not name or len(name) > LONGEST_NAME or ":" in name or not _is_plain(name):
        raise OrchestratorError(
            f"{wished!r} cannot be a name: 1 to {LONGEST_NAME} characters without a colon."
        )
    if name.casefold() == friend.casefold():
        raise OrchestratorError(f"{friend} cannot talk with {friend}; take another name.")
    return _as_known(name, known) or name


def _as_known(name: str, known: Sequence[str]) -> str | None:
    return next((other for other in known if other.casefold() == name.casefold()), None)


def _is_plain(name: str) -> bool:
    return not any(unicodedata.category(c) in ("Cc", "Cs") for c in name)


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no such user, as in some containers
        return ""

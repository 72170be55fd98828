"""What `botconvo doctor` looks at, a file per subject. A check is a function from what is known of
the show to findings; `doctor.CHECKS` lists them all. Nothing here prints or mends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from orchestrator.cast import Show

FindingKind = Literal["ok", "warning", "problem", "step"]
"""`step`: what to do next on the way to something that is not there yet; its text is whole."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `remedy` says how to mend it, unless it is ok."""

    kind: FindingKind
    subject: str
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """What is known of a show, which may be too broken to start."""

    settings_file: Path | None
    home: Path
    """Folder that `data/` and `checkpoints/` lie in."""
    show: Show | None
    """None if the settings cannot be used; then `complaint` says why."""
    complaint: str = ""
    written: dict[str, Any] = field(default_factory=dict)
    """The settings as they stand in the file, unchecked; empty if they are no TOML."""
    is_deep: bool = False
    platform: str = ""
    """The platform that is asked about, which may have no stage yet; "" for the whole show."""
    is_posting: bool = False
    """Whether a line may be posted on each stage, and deleted again."""


Check = Callable[[Patient], Iterator[Finding]]

"""What tests want from the machine beyond Python. Where it is missing they are skipped with the
reason, and with CI=true they fail: CI installs everything (.ci/run)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

# Names under which a program is installed, the first also being its Debian package.
PROGRAMS = {
    "chromium": ("chromium", "google-chrome", "chromium-browser"),
    "systemd": ("systemd", "systemd-analyze"),
    "tmux": ("tmux",),
}


def needs(program: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Where the program is. Without it the test that asks is skipped, or fails on CI."""
    for name in PROGRAMS[program]:
        if found := shutil.which(name, path=environ.get("PATH")):
            return Path(found)
    reason = f"no {program} on this machine (Debian: apt install {PROGRAMS[program][0]})"
    if environ.get("CI") == "true":
        pytest.fail(f"{reason}, and CI may skip nothing", pytrace=False)
    pytest.skip(reason)

"""Tokens of chat platforms, and the key of the friends' servers: where they come from, and that
nobody else sees them.

They come from an environment variable or a file, never from settings. A variable is taken out of
the environment as it is read, so that no child process inherits it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from pydantic import SecretStr

from orchestrator.errors import SettingsError

OTHERS_MAY_READ = 0o077
SECRETS_FOLDER = Path("/run/secrets")
"""Where container engines put secrets, readable by whoever runs in the container."""
CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"
"""Where systemd puts those of a service."""
LONGEST_TOKEN_BYTES = 4096


class Tokens:
    """The tokens of one show. `home` is what relative files are relative to."""

    def __init__(self, home: Path, environment: MutableMapping[str, str] = os.environ) -> None:
        self._home = home
        self._environment = environment
        self._known: dict[str, SecretStr] = {}

    def read(self, variable: str, file: Path | None, what: str) -> SecretStr | None:
        """The token of `what` (named in messages); None if neither is set. Raises SettingsError
        if what is named is not there, is empty, or is a file that others may read."""
        if file is not None:
            return self.in_file(file, f"the token of {what}")
        if not variable:
            return None
        if variable not in self._known:
            text = self._environment.pop(variable, "").strip()
            if not text:
                raise SettingsError(
                    f"The token of {what} is missing: set the environment variable {variable}, or "
                    "name a file with token_file."
                )
            self._known[variable] = SecretStr(text)
        return self._known[variable]

    def in_file(self, file: Path, what: str) -> SecretStr:
        """What `file` holds: `what`, as messages name it ("the token of Discord"). Raises
        SettingsError if it is not there, is empty, or may be read by others."""
        path = self._home / file.expanduser()
        try:
            with path.open("rb") as opened:
                mode = os.fstat(opened.fileno()).st_mode
                data = opened.read(LONGEST_TOKEN_BYTES)
        except OSError as error:
            raise SettingsError(
                f"{what[:1].upper()}{what[1:]} cannot be read from {path}: {error.strerror}."
            ) from error
        if os.name != "nt" and mode & OTHERS_MAY_READ and not is_guarded(path, self._environment):
            raise SettingsError(
                f"{path} holds {what}, and others on this machine may read it; "
                f"run: chmod 600 {path}"
            )
        text = data.decode("utf-8", "replace").strip()
        if not text or "\n" in text:
            raise SettingsError(f"{path} should hold {what}, and nothing else.")
        return SecretStr(text)


def is_guarded(path: Path, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the folder itself is kept from others, whatever the file's mode."""
    folders = [SECRETS_FOLDER]
    if credentials := environment.get(CREDENTIALS_VARIABLE):
        folders.append(Path(credentials))
    return any(path.resolve().is_relative_to(folder.resolve()) for folder in folders)

"""The HTTP session in which friends' servers are asked, with the key that those elsewhere may ask
for. Knows nothing of what is asked."""

from __future__ import annotations

import os

import aiohttp

from orchestrator.cast import Show
from orchestrator.errors import SettingsError
from orchestrator.servers.client import KEY_VARIABLE
from orchestrator.tokens import Tokens


def server_session(show: Show | None) -> aiohttp.ClientSession:
    """A session that sends the key, if there is one: from the file that the show's settings name,
    or from the environment, where it stays: servers that the show starts ask for it, too. Raises
    SettingsError for a file that is no good, or if both are there."""
    key = os.environ.get(KEY_VARIABLE, "").strip()
    file = show.settings.servers.key_file if show else None
    if show and file:
        if key:
            raise SettingsError(
                "There are two keys for the friends' servers: servers.key_file in settings.toml "
                f"names one, and the environment variable {KEY_VARIABLE} is another; keep one."
            )
        key = Tokens(show.home).in_file(file, "the key for the friends' servers").get_secret_value()
    return aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"} if key else None)

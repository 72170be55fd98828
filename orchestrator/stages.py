"""All platforms of a show as one: says a line everywhere, and remembers where it stands.

A platform that fails does not stop the others; it comes back by itself or says that it cannot.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Sequence
from typing import TypeVar

from orchestrator.errors import StageFailed
from orchestrator.platforms import Platform
from orchestrator.transcript import Transcript
from orchestrator.writer import Writer

log = logging.getLogger(__name__)

Result = TypeVar("Result")


class Stages:
    """The platforms that show one conversation."""

    def __init__(
        self, platforms: Sequence[Platform], transcript: Transcript, writer: Writer
    ) -> None:
        self.platforms = {platform.name: platform for platform in platforms}
        self._transcript = transcript
        self._writer = writer

    @property
    def is_read(self) -> bool:
        """Whether somebody is known to be reading along somewhere."""
        return any(platform.is_read for platform in self.platforms.values())

    async def say(self, line_id: int, friend: str, text: str) -> bool:
        """Returns whether the line could be shown anywhere."""
        platforms = self.platforms.values()
        return any([await self._say_on(on, line_id, friend, text) for on in platforms])

    async def _say_on(self, platform: Platform, line_id: int, friend: str, text: str) -> bool:
        message_id = await self._try(platform, platform.say(line_id, friend, text))
        if message_id is None:
            return False
        place = platform.name
        await self._writer.write(lambda: self._transcript.posted(line_id, place, message_id))
        return True

    async def reword(self, line_id: int, friend: str, text: str) -> None:
        """Shows a line's new wording in its place, or anew where that cannot be."""
        for platform in self.platforms.values():
            message_id = self._transcript.message_of(platform.name, line_id)
            if message_id and "edit" in platform.capabilities:
                await self._try(platform, platform.edit(message_id, text))
            else:
                await self._say_on(platform, line_id, friend, text)

    async def take_back(self, line_id: int) -> None:
        for platform in self.platforms.values():
            message_id = self._transcript.message_of(platform.name, line_id)
            if message_id and "delete" in platform.capabilities:
                await self._try(platform, platform.delete(message_id))

    async def typing(self, friend: str) -> None:
        for platform in self.platforms.values():
            if "typing" in platform.capabilities:
                await self._try(platform, platform.typing(friend))

    async def notice(self, text: str) -> None:
        for platform in self.platforms.values():
            await self.tell(platform, text)

    async def tell(self, platform: Platform, text: str) -> None:
        """A notice on one platform only."""
        await self._try(platform, platform.notice(text))

    async def _try(self, platform: Platform, action: Awaitable[Result]) -> Result | None:
        try:
            return await action
        except StageFailed as error:
            log.warning("%s: %s", platform.name, error)
            return None

    async def close(self) -> None:
        for platform in self.platforms.values():
            await platform.close()

"""One file per export format, and the list of all of them.

To add one: write `importers/NAME.py` with a class that has the methods of `Importer`, put
an instance into `FORMATS`, and add `tests/exports/NAME/` with a sample and its expectation.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from finetune.errors import BadExport
from finetune.importers.discord_chat_exporter_json import DiscordChatExporterJson
from finetune.message import ChatMessage, Skipped


class Importer(Protocol):
    """Reads one export format."""

    name: str

    def recognises(self, path: Path) -> bool:
        """Whether the file is of this format, judged by its content."""
        ...

    def read(self, path: Path) -> Iterator[ChatMessage | Skipped]:
        """The file's messages, oldest first. Raises BadExport where it breaks off."""
        ...


FORMATS: tuple[Importer, ...] = (DiscordChatExporterJson(),)


def importer_for(path: Path) -> Importer:
    """The importer that recognises the file. Raises BadExport if none does."""
    try:
        for importer in FORMATS:
            if importer.recognises(path):
                return importer
    except OSError as error:
        raise BadExport(f"{path} cannot be read: {error.strerror}.") from error
    names = ", ".join(importer.name for importer in FORMATS)
    raise BadExport(
        f"{path} is no chat export that BotConvo knows ({names}); export the chat once more "
        "with DiscordChatExporter and choose JSON."
    )

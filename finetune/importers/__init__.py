"""One file per export format, and the list of all of them.

To add one: write `importers/NAME.py` with a class that has the attributes and methods of
`Importer`, put an instance into `FORMATS`, and add `tests/exports/NAME/` with samples and their
expectations.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from finetune.errors import BadExport, NotAnExport
from finetune.importers.discord_chat_exporter_csv import DiscordChatExporterCsv
from finetune.importers.discord_chat_exporter_html import DiscordChatExporterHtml
from finetune.importers.discord_chat_exporter_json import DiscordChatExporterJson
from finetune.importers.discord_chat_exporter_text import DiscordChatExporterText
from finetune.importers.discord_data_package import DiscordDataPackage
from finetune.importers.facebook_html_2017 import FacebookHtml2017
from finetune.importers.instagram_json_2019 import InstagramJson2019
from finetune.importers.messenger_e2ee_json import MessengerEncryptedJson
from finetune.importers.meta_html import MetaHtml
from finetune.importers.meta_json import MetaJson
from finetune.importers.one_persons_lines import OnePersonsLines
from finetune.importers.telegram_html import TelegramHtml
from finetune.importers.telegram_json import TelegramJson
from finetune.importers.whatsapp import WhatsApp
from finetune.message import ReadOptions, Record
from finetune.reading.source import Source


class Importer(Protocol):
    """Reads one export format."""

    @property
    def name(self) -> str:
        """As users know it."""
        ...

    @property
    def platforms(self) -> tuple[str, ...]:
        """Where the messages may come from, in the words of `--platform`."""
        ...

    @property
    def rank(self) -> int:
        """Among the formats that may hold the same messages, the lowest tells most."""
        ...

    def group(self, source: Source) -> str:
        """What files of other formats of this platform have in common with this one if they hold
        the same messages; of a group only those of the lowest rank are read."""
        ...

    def recognises(self, source: Source) -> bool:
        """Whether the file is of this format, judged by its content."""
        ...

    def read(self, source: Source, options: ReadOptions) -> Iterator[Record]:
        """The file's messages, in the order of the file unless times are so coarse that order
        must be kept: then oldest first. Raises BadExport, or BrokenOff after what was good."""
        ...


LINES = OnePersonsLines()
FORMATS: tuple[Importer, ...] = (
    FacebookHtml2017(),
    MetaHtml(),
    DiscordChatExporterJson(),
    DiscordChatExporterHtml(),
    DiscordChatExporterCsv(),
    DiscordChatExporterText(),
    DiscordDataPackage(),
    TelegramJson(),
    TelegramHtml(),
    WhatsApp(),
    MetaJson(),
    MessengerEncryptedJson(),
    InstagramJson2019(),
    LINES,
)


def importer_for(source: Source, options: ReadOptions | None = None) -> Importer:
    """The importer that recognises the file. Raises NotAnExport if none does, BadExport if the
    file cannot be read, is empty or is no text."""
    try:
        found = _find(source, options or ReadOptions())
    except OSError as error:
        raise BadExport(f"{source} cannot be read: {error.strerror}.") from error
    if not source.head:
        raise BadExport(f"{source} is empty; export the chat once more.")
    if found is None:
        raise NotAnExport(
            f"{source} is no chat export that BotConvo knows; it knows those of Discord, Telegram, "
            "Messenger, Instagram and WhatsApp. If every line of it is a message of one person, "
            "say who: botconvo import FILE --author NAME"
        )
    if not source.is_text:
        raise BadExport(
            f"{source} looks like {found.name} but is not UTF-8 text; save it as UTF-8 and import "
            "it again."
        )
    return found


def _find(source: Source, options: ReadOptions) -> Importer | None:
    for importer in FORMATS:
        if options.platform in (None, *importer.platforms) and importer.recognises(source):
            return importer
    # Any text may be somebody's lines, so the user has to say so.
    says_so = options.platform == "lines" or options.author is not None
    return LINES if says_so and source.is_named and source.is_text else None

"""What the input line proposes: friends' names, commands and their arguments. Knows no screen and
no conversation, only what it is given to look at."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

Options = Callable[[], Iterable[str]]
"""What can be put in at the moment."""


class LineCompleter(Completer):
    """Completes commands (`meanings` says what each does), their first argument (`arguments`), and
    `names` after an @ and at the beginning of a line."""

    def __init__(
        self, meanings: Mapping[str, str], arguments: Mapping[str, Options], names: Options
    ) -> None:
        self._meanings = meanings
        self._arguments = arguments
        self._names = names

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterator[Completion]:
        text = document.text_before_cursor
        if command := re.fullmatch(r"/(\S*)", text):
            yield from self._commands(command[1])
        elif argument := re.fullmatch(r"/(\S+)\s+(.*)", text, re.DOTALL):
            options = self._arguments.get(argument[1].casefold())
            if options is not None:
                yield from _beginning_with(argument[2], options())
        elif mention := re.search(r"(?:^|(?<=\s))@([^@]*)$", text):
            yield from _beginning_with(mention[1], self._names(), after=" ")
        elif text.strip():
            yield from _beginning_with(text, self._names(), after=", ")

    def _commands(self, begun: str) -> Iterator[Completion]:
        for name, meaning in self._meanings.items():
            if name.startswith(begun.casefold()):
                takes_more = name in self._arguments
                yield Completion(
                    f"/{name}{' ' if takes_more else ''}", -len(begun) - 1,
                    display=f"/{name}", display_meta=meaning,
                )  # fmt: skip


def completes_by_itself(text: str) -> bool:
    """Whether to propose while somebody types: not in the middle of ordinary talk."""
    return text.startswith("/") or bool(re.search(r"(?:^|\s)@\S*$", text))


def _beginning_with(begun: str, options: Iterable[str], after: str = "") -> Iterator[Completion]:
    for option in options:
        if option.casefold().startswith(begun.casefold()) and option != begun:
            yield Completion(option + after, -len(begun), display=option)

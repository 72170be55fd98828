"""Whom a line of chat is meant for. Pure: text and names in, names out.

A name at either end of a line is a call ("bort, tell fish that ..."), as is one with an @;
names elsewhere are only talked about.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

GREETINGS = "hey|hi|hello|yo|ok|okay|so|and|but|oi|psst|dear|well|no|yes|yeah|lol|wait|please|pls"
JOINTS = r"(?:\s*(?:,|&|\+|/|\b(?:and|or|und|oder|et|ou|y|e|en|og|och)\b)\s*)+"
END_MARKS = r"[\s?!.…;:)~]*$"


class Names:
    """The friends' names and aliases, ready to be found in a text in any case.

    `aliases` gives the other names of each friend.
    """

    def __init__(self, aliases: Mapping[str, Sequence[str]]) -> None:
        self._owner = {
            name.casefold(): friend
            for friend, others in aliases.items()
            for name in (friend, *others)
        }
        # Longer names first, or "Big Al" is found as "Al".
        options = "|".join(re.escape(n) for n in sorted(self._owner, key=len, reverse=True))
        one = rf"(?<!\w)(?:{options})(?!\w)" if options else r"(?!)"
        several = rf"(?P<names>@?{one}(?:{JOINTS}@?{one})*)"
        start = rf"\W*(?:(?:{GREETINGS})\b\W*)*"

        def pattern(text: str) -> re.Pattern[str]:
            return re.compile(text, re.IGNORECASE)

        self._any = pattern(one)
        self._calls = (
            pattern(rf"^{start}{several}\s*(?:[,:;?!.\-–—…]|$)"),
            pattern(rf",\s*{several}{END_MARKS}"),
            pattern(rf"^{start}{several}"),
        )  # fmt: skip
        self._at = pattern(rf"@{one}")

    def named_in(self, text: str) -> list[str]:
        """Friends whose name stands in the text, in its order, each once."""
        return list(dict.fromkeys(self._owner[n.casefold()] for n in self._any.findall(text)))

    def addressed_in(self, text: str) -> list[str]:
        """Friends whom the text calls, in its order: those with an @; else at its beginning, or
        after a comma at its end; if it calls nobody, the first whom it names."""
        if called := self._at.findall(text):
            return self.named_in(" ".join(called))
        for call in self._calls:
            if found := call.search(text):
                return self.named_in(found["names"])
        return self.named_in(text)[:1]

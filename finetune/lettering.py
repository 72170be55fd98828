"""Names of people in pictures that matplotlib draws. Knows nothing of what is drawn."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from finetune.markup import one_line


def label(name: str, longest: int) -> str:
    """A name of at most so many characters. `$` means itself; `_` at its start, which would keep
    it out of a legend, is left out."""
    name = one_line("".join(" " if unicodedata.category(c) == "Cc" else c for c in name))
    short = name if len(name) <= longest else name[: longest - 1] + "…"
    return short.replace("$", r"\$").lstrip("_") or "_"


@contextmanager
def any_letters() -> Iterator[None]:
    """Keeps matplotlib from warning of emoji: no font that comes with it has them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from", UserWarning)
        yield

"""Where a friend's files are kept: the folder's name, made of the friend's."""

from __future__ import annotations

import hashlib
import re

LONGEST_FOLDER_NAME = 60
"""Letters, of up to four bytes each; most systems allow 255 bytes."""
NO_FOLDER_NAMES = frozenset(
    ["", "con", "prn", "aux", "nul", *(f"{name}{n}" for name in ("com", "lpt") for n in range(10))]
)
"""Windows keeps these for itself."""


def folder_name(friend: str) -> str:
    """A friend's name as the name of a folder on any system, another one for every friend.

    Letters, digits and single spaces can be told from it; a name with anything else gets a digest,
    or `Ana!` and `Ana?` would share a folder.
    """
    folded = friend.casefold()
    plain = re.sub(r"[^\w-]+", "_", folded).strip("_-")[:LONGEST_FOLDER_NAME]
    if plain.replace("_", " ") == folded and plain not in NO_FOLDER_NAMES:
        return plain
    digest = hashlib.blake2b(folded.encode(errors="surrogatepass"), digest_size=4).hexdigest()
    return f"{plain or 'friend'}__{digest}"

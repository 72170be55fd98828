"""Errors of the fine-tuning package.

FinetuneError                a user's mistake or a missing thing; one sentence says what to do
 ├─ BadExport                a file is no chat export, or cannot be read further
 ├─ NoSuchFriend             nobody in the corpus has this name
 ├─ TooLittleText            not enough messages to train on
 └─ BadBaseModel             a model folder is missing, incomplete or of another kind
"""

from __future__ import annotations


class FinetuneError(Exception):
    """Something that the user can mend; the message is one sentence with the next step."""


class BadExport(FinetuneError):
    """A file is no chat export that we know, or breaks off."""


class NoSuchFriend(FinetuneError):
    """Nobody in the corpus has this name."""


class TooLittleText(FinetuneError):
    """Not enough messages to train on."""


class BadBaseModel(FinetuneError):
    """A model folder is missing, incomplete or of another kind."""

"""Errors of the fine-tuning package.

FinetuneError                a user's mistake or a missing thing; one sentence says what to do
 ├─ BadExport                a file is no chat export, or cannot be read
 │   ├─ NotAnExport          no importer recognises a file
 │   └─ BrokenOff            an export ends too early; what came before is good
 ├─ NoSuchFriend             nobody in the corpus has this name
 ├─ TooLittleText            not enough messages to train on
 ├─ BadBaseModel             a model folder is missing, incomplete or of another kind
 ├─ LossExploded             a training step met a loss or gradient that is no finite number
 └─ TrainingBroke            a run cannot go on; what it saved stays (exit code 1)
"""

from __future__ import annotations


class FinetuneError(Exception):
    """Something that the user can mend; the message is one sentence with the next step."""


class BadExport(FinetuneError):
    """A file is no chat export that we know, or cannot be read."""


class NotAnExport(BadExport):
    """No importer recognises a file."""


class BrokenOff(BadExport):
    """An export ends too early, or cannot be read from some place on; what came before is good.

    `where` names the place in a few words.
    """

    def __init__(self, message: str, where: str) -> None:
        super().__init__(message)
        self.where = where


class NoSuchFriend(FinetuneError):
    """Nobody in the corpus has this name."""


class TooLittleText(FinetuneError):
    """Not enough messages to train on."""


class BadBaseModel(FinetuneError):
    """A model folder is missing, incomplete or of another kind."""


class LossExploded(FinetuneError):
    """A training step met a loss or a gradient that is no finite number; the weights are as they
    were before it."""


class TrainingBroke(FinetuneError):
    """A run cannot go on, through its loss or the disk; what it saved before stays."""

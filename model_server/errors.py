"""Errors of the model server.

ModelServerError       something that the user can mend; one sentence says what to do
 ├─ EngineUnavailable  the engine's package or file is missing
 ├─ BadRequest         a request that cannot be answered as it stands; becomes HTTP 400
 └─ Busy               not now; becomes HTTP 503 with Retry-After
     └─ StillLoading   the model is not there yet
"""

from __future__ import annotations

FAILURE = "Generation failed; see the server's log."
"""What a client is told of a mistake that is not its own."""


class ModelServerError(Exception):
    """Something that the user can mend; the message is one sentence with the next step."""


class EngineUnavailable(ModelServerError):
    """The engine's package is not installed or the checkpoint lacks its file."""


class BadRequest(ModelServerError):
    """A request that cannot be answered; `param` names the field at fault."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class Busy(ModelServerError):
    """Too many wait already, or the server is ending."""


class StillLoading(Busy):
    """The model is not there yet."""

"""Errors of the orchestrator.

OrchestratorError       something that the user can mend; one sentence says what to do
 └─ SettingsError       a settings file, or what it names
ModelServerError        a friend's server did not answer
 ├─ ModelServerDown     it cannot be reached, or went away
 ├─ ModelServerBusy     it asks to come back later
 └─ ModelServerRefused  it does not accept the request
"""

from __future__ import annotations


class OrchestratorError(Exception):
    """Something that the user can mend; the message is one sentence with the next step."""


class SettingsError(OrchestratorError):
    """A settings file that cannot be used, or names what is not there."""


class ModelServerError(Exception):
    """A friend's server did not answer."""


class ModelServerDown(ModelServerError):
    """The server cannot be reached, or went away while it answered."""


class ModelServerBusy(ModelServerError):
    """The server has too much to do, or still loads."""


class ModelServerRefused(ModelServerError):
    """The server does not accept the request; asking again would not help."""

"""Errors of the orchestrator.

OrchestratorError       something that the user can mend; one sentence says what to do
 ├─ SettingsError       a settings file, or what it names
 ├─ NobodySpeaks        no friend's server runs, and nobody made a mistake
 ├─ TranscriptFull      the transcript takes no more lines for now
 └─ TranscriptLocked    another process keeps the transcript to itself
StageFailed             a platform could not show something; it says by itself what is wrong
 └─ StageLost           a platform is gone, and does not come back by itself
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


class NobodySpeaks(OrchestratorError):
    """No friend's server could be started, for reasons that lie in the machine: too little memory,
    too little time, a crash."""


class TranscriptFull(OrchestratorError):
    """The disk is full, broken or read-only; nothing is half written, and later calls may work."""


class TranscriptLocked(OrchestratorError):
    """Another process keeps the transcript to itself for now; later calls may work."""


class StageFailed(Exception):
    """A platform could not show something now; the show goes on without it."""


class StageLost(StageFailed):
    """A platform cannot go on: a token is revoked, a channel is gone. The message is one sentence
    that says what to do."""


class ModelServerError(Exception):
    """A friend's server did not answer."""


class ModelServerDown(ModelServerError):
    """The server cannot be reached, or went away while it answered."""


class ModelServerBusy(ModelServerError):
    """The server has too much to do, or still loads."""


class ModelServerRefused(ModelServerError):
    """The server does not accept the request; asking again would not help."""

"""What aiohttp logs, as a server's log has it."""

from __future__ import annotations

import logging

from aiohttp.client_exceptions import ClientConnectionResetError

from model_server.logs import without_what_was_sent


def test_a_client_that_goes_away_while_it_is_answered_is_no_error_of_ours() -> None:
    try:
        raise ClientConnectionResetError("Cannot write to closing transport")
    except ClientConnectionResetError as error:
        told = (type(error), error, error.__traceback__)
    record = logging.LogRecord("aiohttp.server", logging.ERROR, "", 1, "Error %s", ("x",), told)
    assert without_what_was_sent(record)
    assert (record.getMessage(), record.levelname) == ("the client went away", "INFO")
    assert record.exc_info is None

"""Refusals in Discord's words and numbers.

Source: https://docs.discord.com/developers/topics/opcodes-and-status-codes#json
"""

from __future__ import annotations

from typing import Any

UNKNOWN_CHANNEL = (404, 10003, "Unknown Channel")
UNKNOWN_GUILD = (404, 10004, "Unknown Guild")
UNKNOWN_MEMBER = (404, 10007, "Unknown Member")
UNKNOWN_MESSAGE = (404, 10008, "Unknown Message")
UNKNOWN_OVERWRITE = (404, 10009, "Unknown Permission Overwrite")
UNKNOWN_ROLE = (404, 10011, "Unknown Role")
UNKNOWN_USER = (404, 10013, "Unknown User")
UNKNOWN_EMOJI = (400, 10014, "Unknown Emoji")
UNKNOWN_WEBHOOK = (404, 10015, "Unknown Webhook")
UNKNOWN_INTERACTION = (404, 10062, "Unknown interaction")
UNKNOWN_COMMAND = (404, 10063, "Unknown application command")
UNKNOWN_COMMAND_PERMISSIONS = (404, 10066, "Unknown application command permissions")
TOO_MANY_WEBHOOKS = (400, 30007, "Maximum number of webhooks reached (15)")
TOO_MANY_ROLES = (400, 30005, "Maximum number of guild roles reached (250)")
ALREADY_ACKNOWLEDGED = (400, 40060, "Interaction has already been acknowledged.")
MISSING_ACCESS = (403, 50001, "Missing Access")
NOT_IN_A_PRIVATE_CHAT = (400, 50003, "Cannot execute action on a DM channel")
NOT_THE_AUTHOR = (403, 50005, "Cannot edit a message authored by another user")
EMPTY_MESSAGE = (400, 50006, "Cannot send an empty message")
CLOSED_TO_PRIVATE_MESSAGES = (403, 50007, "Cannot send messages to this user")
MISSING_PERMISSIONS = (403, 50013, "Missing Permissions")
INVALID_WEBHOOK_TOKEN = (401, 50027, "Invalid Webhook Token")
INVALID_ROLE = (400, 50028, "Invalid Role")
INVALID_FORM = (400, 50035, "Invalid Form Body")
INVALID_JSON = (400, 50109, "The request body contains invalid JSON.")
REPLY_TO_UNKNOWN = "MESSAGE_REFERENCE_UNKNOWN_MESSAGE", "Unknown message"
UNAUTHORIZED = (401, 0, "401: Unauthorized")
NOT_FOUND = (404, 0, "404: Not Found")


class Refused(Exception):
    """A request that Discord answers with an error body."""

    def __init__(self, refusal: tuple[int, int, str], errors: dict[str, Any] | None = None) -> None:
        """`refusal`: HTTP status, Discord's code, its message; `errors`: by field of the form."""
        super().__init__(refusal[2])
        self.status, self.code, self.message = refusal
        self.errors = errors

    def body(self) -> dict[str, Any]:
        """The JSON that goes to the client."""
        body: dict[str, Any] = {"message": self.message, "code": self.code}
        return body if self.errors is None else {**body, "errors": self.errors}


def bad_field(path: str, code: str, message: str) -> Refused:
    """A form that Discord refuses for one field; `path` with dots, such as `embeds.0.title`."""
    errors: dict[str, Any] = {"_errors": [{"code": code, "message": message}]}
    for part in reversed(path.split(".")):
        errors = {part: errors}
    return Refused(INVALID_FORM, errors)


def too_long(path: str, text: str, most: int, least: int = 0) -> None:
    """Refuse a text outside `least`..`most` characters, as Discord words it."""
    if least <= len(text) <= most:
        return
    raise bad_field(path, "BASE_TYPE_BAD_LENGTH" if least else "BASE_TYPE_MAX_LENGTH",
                    f"Must be between {least} and {most} in length." if least
                    else f"Must be {most} or fewer in length.")  # fmt: skip

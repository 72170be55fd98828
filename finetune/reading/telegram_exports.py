"""What Telegram Desktop's two formats have in common, and the look of its JSON."""

from __future__ import annotations

import re

from finetune.message import Remark
from finetune.reading.source import HEAD_BYTES

PLATFORM = "telegram"
DELETED = "Deleted Account"
UNSUPPORTED = "not supported by the version of Telegram that wrote it"
LOCAL_TIMES = Remark("Times carry no time zone and were taken for local times of this computer.")
NOTICE_AUTHOR = "Telegram"
"""Of notices that name nobody."""

CHAT_TYPES = (
    rb"saved_messages|replies|verification_codes|personal_chat|bot_chat|private_group"
    rb"|(?:private|public)_supergroup|(?:private|public)_channel"
)
PLAIN = rb'(?:"(?:[^"\\]|\\.)*"|[^\s",:{}\[\]]+)'
ROOT = re.compile(
    rb'(?:\xef\xbb\xbf)?\s*\{(?P<plain>(?:\s*"\w+"\s*:\s*' + PLAIN + rb"\s*,)*)"
    rb'\s*"(?P<key>\w+)"\s*:\s*[\[{]',
    re.DOTALL,
)
"""The root's plain values and its first key with a list or an object."""
CHAT_TYPE = re.compile(rb'"type"\s*:\s*"(?:' + CHAT_TYPES + rb')"')
FIRST_MESSAGE = re.compile(
    rb'\s*\{\s*"id"\s*:\s*-?\d+\s*,\s*"type"\s*:\s*"(?:message|service|unsupported)"'
)
CHAT_LIST = re.compile(rb'"(?:left_)?chats"\s*:\s*\{[^{}\[\]]*"list"\s*:\s*\[')
ACCOUNT_KEYS = (
    b"personal_information|profile_pictures|stories|contacts|frequent_contacts|sessions"
    b"|web_sessions|other_data|chats|left_chats"
).split(b"|")


def is_chat(head: bytes) -> bool:
    """Whether a file that begins so is the JSON of one chat."""
    root = ROOT.match(head)
    if root is None or root["key"] != b"messages":
        return False
    return bool(CHAT_TYPE.search(root["plain"]) or FIRST_MESSAGE.match(head, root.end()))


def is_account(head: bytes) -> bool:
    """Whether a file that begins so is the JSON of a whole account."""
    root = ROOT.match(head)
    if root is None or root["key"] not in ACCOUNT_KEYS:
        return False
    if CHAT_LIST.search(head):
        return bool(b'"about"' in root["plain"] or CHAT_TYPE.search(head))
    # Contacts and sessions come first and may fill the head.
    return b'"about"' in root["plain"] and len(head) == HEAD_BYTES

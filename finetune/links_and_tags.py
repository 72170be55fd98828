"""What chat programs write between words: addresses of web pages, and Discord's tags."""

from __future__ import annotations

import re

LINK = re.compile(r"<?\b(?:https?://|www\.)[^\s<>]+>?", re.IGNORECASE)
TAG = r"<(?:@[!&]?|#|t:-?|a?:\w+:)\d+(?::\w)?>"
"""Mentions, channels, times and custom emoji; no group."""

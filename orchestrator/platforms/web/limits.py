"""What the page's server takes from anybody, each limit with its reason.

A show is for a group of friends: what no page of ours sends is refused early.
"""

from __future__ import annotations

FIRST_PORT = 8080
"""Where people look for a page of their own machine first."""
PORTS_TRIED = 100
"""From the first one on; whoever has so many in use should name a port."""

TEXT_CHARS = 2000
"""As long as a message in a chat; friends take in no more of a line anyway."""
NAME_CHARS = 40
"""Of a person. Longer ones are no names, and push the text off a phone."""
ARGUMENT_CHARS = 300
"""Of a command: a topic of 200 letters, and a name before it."""
COMMAND_CHARS = 20
SEARCH_CHARS = 200
"""More words find nothing more."""
ID_DIGITS = 18
"""Of a line; SQLite's numbers have one digit more."""
PAGE_LINES = 200
"""Lines asked for at once; a screen shows some twenty."""
USUAL_PAGE_LINES = 50
FORM_BYTES = 8192
"""The only form has one field, and a token is 4 KB at most."""

FRAME_BYTES = 32_768
"""A line of nothing but emoji, each spelled out as two escapes of six characters, fits in."""
FRAMES_PER_SECOND = 5.0
"""People type slower; a program that floods the show is let go."""
FRAMES_AT_ONCE = 20
"""A page that comes back from sleep may have a few things to say."""
ODD_FRAMES = 10
"""Frames that cannot be read, after which no more are: a page of ours sends none."""
MISSED_LINES = 200
"""That follow a connection that was lost; whoever was away longer loads the page anew."""
FRAMES_WAITING = 256
"""For one page: ten minutes of a lively show. A page so far behind is asleep, and comes back."""
PAGES = 500
"""Open at once. Each takes some 40 KB, and 35 microseconds of the processor per line."""
EVENTS_WAITING = 200
"""What people have done and the show has not looked at yet, as while it cannot write."""
KEYS_KEPT = 2000
"""Keys of lines and commands that were taken, so that none is taken twice."""

READS_WAITING = 64
"""Questions to the transcript at once; one takes milliseconds, a search of a long one more."""
STATS_SECONDS = 5.0
"""So long the same figures are good for all pages."""

WRONG_TOKENS = 10
"""From one address within a minute; then it has to wait, also with the right one."""
WRONG_TOKEN_SECONDS = 60.0
ADDRESSES_KEPT = 1000
SHORTEST_TOKEN = 8
"""Letters. With the limit above it takes longer than anybody lives to try them all."""
COOKIE_DAYS = 30

PICTURE_BYTES = 2_000_000
"""Of a friend's own picture, which every page loads."""
CLOSING_SECONDS = 1.0
"""For pages to be told that the show is over; the whole program ends within two."""
STATE_SECONDS = 0.2
"""Changes of the state within this time are told as one."""

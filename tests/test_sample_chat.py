"""The sample chat is what it says: a real export of four friends."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime

from tests.conftest import SAMPLE_CHAT

EXPORT = json.loads(SAMPLE_CHAT.read_text(encoding="utf-8"))
MESSAGES = EXPORT["messages"]
FRIENDS = {"Marlow", "Priya", "Dex", "Juno"}


def of(name: str) -> list[str]:
    return [
        m["content"] for m in MESSAGES
        if m["author"]["nickname"] == name and m["type"] in ("Default", "Reply") and m["content"]
    ]  # fmt: skip


def test_it_has_the_roots_and_keys_of_the_exporter() -> None:
    assert list(EXPORT) == [
        "guild", "channel", "dateRange", "exportedAt", "messages", "messageCount",
    ]  # fmt: skip
    assert EXPORT["messageCount"] == len(MESSAGES)
    assert list(MESSAGES[0]) == [
        "id", "type", "timestamp", "timestampEdited", "callEndedTimestamp", "isPinned", "content",
        "author", "attachments", "embeds", "stickers", "reactions", "mentions", "inlineEmojis",
    ]  # fmt: skip
    ids = [int(m["id"]) for m in MESSAGES]
    assert ids == sorted(set(ids))


def test_ids_are_snowflakes_of_the_time_that_is_shown() -> None:
    for m in MESSAGES:
        shown = datetime.fromisoformat(m["timestamp"]).timestamp() * 1000
        assert abs((int(m["id"]) >> 22) + 1420070400000 - shown) <= 1


def test_there_is_enough_of_everybody_over_several_months() -> None:
    assert len(MESSAGES) >= 2500
    assert all(len(of(name)) >= 600 for name in FRIENDS)
    months = {m["timestamp"][:7] for m in MESSAGES}
    assert len(months) >= 6


def test_everything_that_real_chats_have_is_in_it() -> None:
    kinds = Counter(m["type"] for m in MESSAGES)
    assert min(kinds["Reply"], kinds["GuildMemberJoin"], kinds["ChannelPinnedMessage"]) >= 4
    assert sum(m["author"]["isBot"] for m in MESSAGES) > 10
    assert sum(bool(m["attachments"]) and not m["content"] for m in MESSAGES) > 20
    assert sum(bool(m["timestampEdited"]) for m in MESSAGES) > 20
    assert sum(bool(m["mentions"]) for m in MESSAGES) > 50
    assert sum(bool(m["inlineEmojis"]) for m in MESSAGES) > 50
    assert sum("https://" in m["content"] for m in MESSAGES) > 30


def test_lines_are_written_and_not_stamped_out() -> None:
    texts = Counter(m["content"] for m in MESSAGES if len(m["content"]) > 20)
    assert sum(count - 1 for count in texts.values()) < 0.01 * len(MESSAGES)


def test_each_friend_is_known_by_a_habit_of_their_own() -> None:
    def share(name: str, habit: str) -> float:
        has = {
            "capital": lambda t: t[0].isupper(),
            "full stop": lambda t: t.endswith("."),
            "shouting": lambda t: any(w.isupper() and len(w) > 2 for w in t.split()),
        }[habit]
        return sum(map(has, of(name))) / len(of(name))

    assert share("Priya", "capital") > 0.9
    assert share("Marlow", "capital") < 0.05
    assert share("Juno", "full stop") > 0.6 > 0.1 > share("Marlow", "full stop")
    assert share("Juno", "capital") < 0.15
    assert share("Dex", "shouting") > 0.3 > share("Priya", "shouting")

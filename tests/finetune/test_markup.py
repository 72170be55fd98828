"""Chat markup to plain words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.markup import LINK, plain_words

NAMES = {"42": "Juno"}


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("look https://example.com/a_b?c=1 here", "look here"),
        ("<https://example.com>", ""),
        ("<@42> and <@!42> and <@7>", "Juno and Juno and someone"),
        ("hi @Marlow", "hi Marlow"),
        ("mail a@b.c", "mail a@b.c"),
        (":kevin_stare: <:gerald:123> <a:tuba:9>", "kevin stare gerald tuba"),
        ("at 12:30:15 o'clock", "at 12:30:15 o'clock"),
        ("see <#99> <t:1700000000:R>", "see"),
        ("**no** *no* ||spoiler|| `code`", "no no spoiler code"),
        ("2 * 3 * 4 and snake_case", "2 * 3 * 4 and snake_case"),
        ("two\nlines\r\nhere", "two lines here"),
        ("❤️", "❤"),
    ],
)
def test_markup_becomes_words(raw: str, plain: str) -> None:
    assert plain_words(raw, NAMES) == plain


@given(st.text())
def test_the_result_is_one_line_without_links(raw: str) -> None:
    plain = plain_words(raw)
    assert "\n" not in plain
    assert plain == plain.strip()
    assert len(plain) <= len(raw) + 10 * raw.count("<")


@given(st.text(alphabet="abc :/.https", max_size=40))
def test_no_link_survives(raw: str) -> None:
    assert not LINK.search(plain_words(raw))

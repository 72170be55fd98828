"""Chat markup to plain words."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.markup import LINK, plain_words, without_private_data

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
        (">_< -_- ^_^ and ^_^ *_*", ">_< -_- ^_^ and ^_^ *_*"),
        ("¯\\_(ツ)_/¯", "¯\\_(ツ)_/¯"),
        ("*you're so _very_ kind", "*you're so very kind"),
        ("***oh*** *a **b** c* (_d_), *e*!", "oh a b c (d), e!"),
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


MARKS = "<@42> <@ 42 > @ : * _ ` || <:a_b:1> ht tps:// www. tuba ~~ <t:1:R> @1234567 é . !"
PIECES = st.sampled_from([*MARKS.split(" "), " ", "\n", "\u2068", "\u2069", "\ufe0f"])


@given(st.text(max_size=60) | st.lists(PIECES, max_size=12).map("".join))
def test_plain_words_stay_as_they_are(raw: str) -> None:
    plain = plain_words(raw, NAMES)
    assert plain_words(plain, NAMES) == plain


def test_a_name_that_is_markup_does_no_harm() -> None:
    assert plain_words("hi <@1>", {"1": "<@1>"}) == "hi <1>"


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("ask @4915234567890 ok", "ask someone ok"),
        ("hi @\u2068Juno K\u2069!", "hi Juno K!"),
        ("ht**tps://example.com**", ""),
    ],
)
def test_mentions_of_whatsapp_and_nested_markup(raw: str, plain: str) -> None:
    assert plain_words(raw, NAMES) == plain


def test_the_guard_of_the_model_server_finds_private_data_by_this_door() -> None:
    assert without_private_data("mail a@example.com") == ("mail email", {"email": 1})


def test_the_door_loads_nothing_but_the_standard_library() -> None:
    code = (
        "import sys, finetune.markup as m; m.plain_words('**hi** <@1>')\n"
        "print({'phonenumbers', 'stdnum', 'numpy', 'finetune.private_data'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"

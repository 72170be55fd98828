"""Dates in words, as Babel writes them and as Facebook did."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from babel.dates import format_date, format_time
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.reading.long_dates import HOURS, LANGUAGES, long_date, zone_remark

NUMERIC_WITH_SLASHES = ("ar",)
"""Their medium dates are numbers only, and of 3/4 nobody knows which is the day."""


@given(
    st.sampled_from(LANGUAGES),
    st.datetimes(datetime(2004, 1, 1), datetime(2038, 1, 1)),  # noqa: DTZ001
    st.sampled_from(["full", "long", "medium"]),
    st.sampled_from(["short", "medium"]),
    st.sampled_from([" ", ", "]),
)
@settings(max_examples=500, deadline=None)
def test_dates_of_every_language_are_read_back(
    language: str, time: datetime, date_width: str, time_width: str, glue: str
) -> None:
    if language in NUMERIC_WITH_SLASHES:
        date_width = "long"
    time = time.replace(microsecond=0, second=time.second if time_width == "medium" else 0)
    text = format_date(time, date_width, locale=language)  # type: ignore[arg-type]
    text += glue + format_time(time, time_width, locale=language)  # type: ignore[arg-type]
    assert long_date(text).time == time


@pytest.mark.parametrize(
    "text",
    [
        "Sunday, 4 December 2016 at 13:54 UTC-07",
        "Sunday, December 4, 2016 at 1:54pm UTC-07",
        "dimanche 4 décembre 2016, 13:54 UTC-07",
        "Sonntag, 4. Dezember 2016 um 13:54 UTC-07:00",
        "domingo, 4 de diciembre de 2016 a las 13:54 UTC-07",
        "Domenica 4 dicembre 2016 alle ore 13:54 UTC−07",
        "2016. december 4., 13:54 UTC-07",
        "den 4 december 2016 kl. 13:54 MST",
        "zondag 4 december 2016 om 13:54 MST",
        "4. desember 2016 kl. 13:54 UTC-07",
        "4. december 2016 kl. 13.54 UTC-07",
        "4 decembrie 2016 la 13:54 UTC-07",
        "4. prosinec 2016 v 13:54 UTC-07",
        "4 de dezembro de 2016 às 13:54 PDT",
        "4 grudzień 2016 o 13:54 UTC-07",
        "4. prosinca 2016 u 13:54 UTC-07",
        "4. децембар 2016. у 13:54 UTC-07",
        "sunnuntai 4. joulukuuta 2016 kello 13.54 UTC-07",
        "4 декабря 2016 г. в 13:54 UTC-07",
        "2016 m. gruodis 4 d., 13:54 UTC-07",
        "Sunday, December 4, 2016 @ 1:54pm UTC-0700",
    ],
)
def test_facebooks_own_forms_with_their_zones_are_read(text: str) -> None:
    zone = timezone(timedelta(hours=-7))
    assert long_date(text).time == datetime(2016, 12, 4, 13, 54, tzinfo=zone)


def test_listopad_is_october_for_croats_and_november_for_poles() -> None:
    assert long_date("4. listopada 2016. u 13:54").time.month == 10
    assert long_date("4. listopada 2016 u 13:54").time.month == 10
    assert long_date("4 listopada 2016 o 13:54").time.month == 11
    assert long_date("4. listopad 2016 v 13:54").time.month == 11


def test_noon_and_midnight_are_told_apart() -> None:
    assert long_date("Jan 02, 2023 12:05 am").time.hour == 0
    assert long_date("Jan 02, 2023 12:05 pm").time.hour == 12


def test_a_zone_that_may_be_several_is_remarked_upon() -> None:
    found = long_date("Friday, October 4, 2013 at 10:05pm IST")
    assert found.time.astimezone(UTC).hour == 16
    assert "Indian" in (zone_remark(found.zone) or "")
    assert "does not know" in (zone_remark("XQT") or "")
    assert long_date("Friday, October 4, 2013 at 10:05pm XQT").time.tzinfo is None
    assert not zone_remark("CET") and not zone_remark("") and "CET" in HOURS


@pytest.mark.parametrize(
    "text",
    ["", "soon", "Jul 14, 2015", "9:03", "Foo 35, 2023 12:00 am", "Jan 32, 2023 9:00", "x" * 500],
)
def test_other_texts_are_no_dates(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        long_date(text)


@given(st.text() | st.text("0123456789:. UTC+-jan年月日"))
def test_any_text_is_a_date_or_none(text: str) -> None:
    with suppress(ValueError):
        long_date(text)

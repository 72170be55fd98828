"""Drawn faces."""

from __future__ import annotations

import base64
import struct
import xml.etree.ElementTree as ET
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator import avatars
from orchestrator.cast import COLORS

if TYPE_CHECKING:
    from playwright.async_api import Page

PIXELS = 64
AS_DRAWN = """async ([svg, pixels]) => {
    const picture = new Image();
    picture.src = "data:image/svg+xml;base64," + svg;
    await picture.decode();
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = pixels;
    const context = canvas.getContext("2d");
    context.drawImage(picture, 0, 0, pixels, pixels);
    return Array.from(context.getImageData(0, 0, pixels, pixels).data);
}"""


def decoded(png: bytes) -> tuple[int, int, bytes]:
    """Width, height and RGB of a PNG whose rows are not filtered."""
    width, height, depth, kind = struct.unpack(">IIBB", png[16:26])
    assert (png[:8], depth, kind) == (b"\x89PNG\r\n\x1a\n", 8, 2)
    at, data = 8, b""
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        name, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.unpack(">I", png[at + 8 + length : at + 12 + length])[0] == zlib.crc32(
            name + body
        )
        data += body if name == b"IDAT" else b""
        at += 12 + length
    rows = zlib.decompress(data)
    step = 3 * width + 1
    assert all(rows[row * step] == 0 for row in range(height))
    return width, height, b"".join(rows[r * step + 1 : (r + 1) * step] for r in range(height))


@given(name=st.text(), color=st.sampled_from([*COLORS, ""]))
@settings(max_examples=50)
def test_any_name_has_one_face(name: str, color: str) -> None:
    drawn = avatars.svg(name, color)
    ET.fromstring(drawn)
    assert drawn == avatars.svg(f" {name.casefold()} ", color)


def test_friends_look_different() -> None:
    names = [f"Friend {number}" for number in range(200)]
    assert len({avatars.svg(name, "red") for name in names}) == len(names)


def test_a_color_changes_the_clothes_and_not_the_face() -> None:
    red, blue = (ET.fromstring(avatars.svg("Dex", color)) for color in ("red", "blue"))
    differing = [a.tag for a, b in zip(red, blue, strict=True) if a.attrib != b.attrib]
    assert len(differing) == 2  # the background and the shirt


@pytest.mark.parametrize("pixels", [0, 1025])
def test_a_face_has_a_size_that_can_be_drawn(pixels: int) -> None:
    with pytest.raises(ValueError, match="1 to 1024"):
        avatars.png("Dex", "red", pixels)
    assert decoded(avatars.png("Dex", "red", 1))[:2] == (1, 1)


@pytest.mark.parametrize("name", ["Dex", "Juno", "Marlow", "Priya", "Сергей"])
async def test_the_pixels_show_what_a_browser_draws(page: Page, name: str) -> None:
    width, height, ours = decoded(avatars.png(name, "cyan", PIXELS))
    assert (width, height) == (PIXELS, PIXELS)
    svg = base64.b64encode(avatars.svg(name, "cyan").encode()).decode()
    shown = await page.evaluate(AS_DRAWN, [svg, PIXELS])
    theirs = [value for place, value in enumerate(shown) if place % 4 != 3]
    differences = [abs(a - b) for a, b in zip(ours, theirs, strict=True)]
    assert sum(differences) / len(differences) < 2
    assert sorted(differences)[int(0.99 * len(differences))] < 32

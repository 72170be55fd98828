"""Plays the scene in a real terminal and on a real page, and keeps what is to be seen.

    python record.py TMUX CHROMIUM   (as ./scripts/pictures/make calls it)

What is shown is what the programs print, in the order in which they do; only waits are shortened.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent.parent
sys.path[:0] = [str(FOLDER), str(ROOT)]

from PIL import Image  # noqa: E402
from playwright.async_api import Error as PlaywrightError  # noqa: E402
from scene import EXPLAINED, FIRST_LINE, IN_THE_TERMINAL, LAST_LINE, ON_THE_PAGE, SEED  # noqa: E402
from terminal_film import Film, Frame  # noqa: E402

from tests.browser import Complaints, chromium_running, connected, pages_of  # noqa: E402
from tests.tmux import Terminal, TerminalError  # noqa: E402

if TYPE_CHECKING:
    from playwright.async_api import Page

COLUMNS, ROWS = 74, 19
TITLE = "./scripts/run"
LINE_SECONDS = 90
"""Until a line must have come, on a machine that has other things to do."""
LETTER_SECONDS = 0.07
LONGEST_STILL_SECONDS = 0.7
"""Two of them, while somebody thinks and types, are a reader's time for a line; the friends take
more for theirs."""
SHORTEST_STILL_SECONDS = 0.05
"""Below that a screen is one that is just being drawn."""
END_SECONDS = 3.5
"""The last screen. The loop begins with it: it is what is seen where pictures stand still, and it
says in three seconds what this is."""
LONGEST_INPUT_ROWS = 10
"""The input line, what it proposes, and the line of the state."""
PAGE = {"width": 1100, "height": 800}
PIXELS_PER_POINT = 1.5
PAGE_COLORS = 192
RECORDING, PAGES = "terminal.gif", ("page.png", "page-dark.png")
MOST_BYTES = {RECORDING: 300_000} | dict.fromkeys(PAGES, 120_000)
"""A README that loads at once, on a telephone, too."""


class Recorder:
    """Keeps each screen of the terminal, and since when it was there."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._screens: list[tuple[float, str]] = []

    async def run(self) -> None:
        """Until it is cancelled. A screen comes as soon as anything has changed."""
        clock, seen = asyncio.get_running_loop().time, ""
        while True:
            await self._terminal.until(lambda now, seen=seen: now != seen, seconds=LINE_SECONDS)
            styled = await self._terminal.screen(styled=True)
            seen = await self._terminal.screen()
            self._screens.append((clock(), styled))

    def frames(self) -> list[Frame]:
        """The last screen, then from the first line on, with waits no longer than a reader
        needs."""
        begun = next(i for i, (_, screen) in enumerate(self._screens) if FIRST_LINE in screen)
        kept: list[Frame] = []
        nexts = [time for time, _ in self._screens[begun + 1 :]]
        for (time, screen), end in zip(self._screens[begun:], [*nexts, None], strict=True):
            seconds = END_SECONDS if end is None else min(end - time, LONGEST_STILL_SECONDS)
            cursor = _cursor(screen)
            if cursor is None or seconds < SHORTEST_STILL_SECONDS:
                continue
            kept.append(Frame(screen, cursor, seconds))
        return [kept[-1], *kept[:-1]]


def _cursor(screen: str) -> tuple[int, int] | None:
    """Behind what is typed; None while the input line is not there."""
    rows = [_plain(row) for row in screen.split("\n")]
    found = [(max(len(text), 2), row) for row, text in enumerate(rows) if text.startswith(">")]
    # A command that was given stands above, once it has been told what came of it.
    return found[-1] if found and found[-1][1] >= len(rows) - LONGEST_INPUT_ROWS else None


def _plain(row: str) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", row).rstrip()


async def play(terminal: Terminal, page: Page) -> None:
    """What people do in the scene. Raises TerminalError if a line never comes."""
    shown = await terminal.until("The show is to be seen on ", seconds=LINE_SECONDS)
    await page.goto(re.findall(r"seen on (http\S+)\.", " ".join(shown.split()))[0])
    for cue in IN_THE_TERMINAL:
        await terminal.until(cue.after, seconds=LINE_SECONDS)
        for letter in cue.typed:
            await terminal.type(letter)
            await asyncio.sleep(LETTER_SECONDS)
        await when_somebody_types(terminal)
        await terminal.send("Enter")
    await terminal.until(ON_THE_PAGE.after, seconds=LINE_SECONDS)
    await page.fill("#words", ON_THE_PAGE.typed)
    await when_somebody_types(terminal)
    await page.press("#words", "Enter")
    await terminal.until(LAST_LINE, seconds=LINE_SECONDS)


async def when_somebody_types(terminal: Terminal) -> None:
    """Then the next line is drawn already, and given up for a person's: so it is the same one in
    each run, however fast the machine is."""
    await terminal.until(
        lambda screen: bool(re.search(r"^\w+ types\b", screen.split("\n")[-1])),
        seconds=LINE_SECONDS,
    )


async def photograph(page: Page) -> None:
    """The page by day and by night, with the reasons of one line open."""
    last = page.locator("#lines .line", has_text=LAST_LINE)
    await last.wait_for()
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("Emulation.setScrollbarsHidden", {"hidden": True})
    await page.locator("#lines .line", has_text=EXPLAINED).click()
    await page.locator("#panel").wait_for()
    await last.scroll_into_view_if_needed()
    await page.evaluate("document.activeElement.blur()")
    await page.screenshot(path=FOLDER / PAGES[0])
    await page.emulate_media(color_scheme="dark")
    await page.screenshot(path=FOLDER / PAGES[1])


async def record(tmux: Path, chromium: Path, home: Path) -> list[Frame]:
    """Plays the scene in the folder `home`, which keeps its conversation."""
    (home / "settings.toml").write_text("schema = 1\n", encoding="utf-8")
    show = [sys.executable, "-m", "orchestrator", "run", "--seed", str(SEED),
            "--settings", str(home / "settings.toml")]  # fmt: skip
    environ = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    with chromium_running(chromium, home) as devtools:
        async with (
            connected(devtools) as browser,
            pages_of(browser, Complaints()) as new_page,
            Terminal(tmux, home, show, columns=COLUMNS, rows=ROWS, environ=environ) as terminal,
        ):
            page = await new_page(
                viewport=PAGE, device_scale_factor=PIXELS_PER_POINT, color_scheme="light",
                reduced_motion="reduce", locale="en-GB",
            )  # fmt: skip
            recorder = Recorder(terminal)
            recording = asyncio.create_task(recorder.run())
            try:
                await play(terminal, page)
                await photograph(page)
            finally:
                recording.cancel()
                with suppress(asyncio.CancelledError):
                    await recording
                await terminal.send("C-c")
            print(_plain_screen(await terminal.screen(scrolled=True)))
            await terminal.ended(seconds=LINE_SECONDS)
    return recorder.frames()


def with_few_colors(file: Path) -> None:
    """Writes the picture anew with a palette, which makes it half as large."""
    with Image.open(file) as image:
        few = image.convert("RGB").quantize(PAGE_COLORS, kmeans=1, dither=Image.Dither.NONE)
    few.save(file, optimize=True)


def _plain_screen(screen: str) -> str:
    return "\n".join(map(_plain, screen.split("\n")))


def main() -> int:
    tmux, chromium = map(Path, sys.argv[1:])
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            frames = asyncio.run(record(tmux, chromium, Path(folder)))
        except (TerminalError, PlaywrightError) as error:
            print(f"The scene did not go as scene.py says: {error}", file=sys.stderr)
            return 1
    for name in PAGES:
        with_few_colors(FOLDER / name)
    Film(COLUMNS, ROWS, TITLE).save(frames, FOLDER / RECORDING)
    seconds = sum(frame.seconds for frame in frames)
    print(f"\n{RECORDING}: {len(frames)} frames, {seconds:.1f} s")
    too_large = 0
    for name, most in MOST_BYTES.items():
        size = (FOLDER / name).stat().st_size
        too_large += size > most
        print(f"{name}: {size:,} bytes of {most:,}")
    return 1 if too_large else 0


if __name__ == "__main__":
    sys.exit(main())

"""The web page with a long past: does it scroll smoothly, and what does it weigh?

A real show with echoing servers, and a real headless Chromium that scrolls from the newest line
to the first one and back, so many pixels a frame. Times of frames are those of
requestAnimationFrame; 16.7 ms is every frame of 60 a second.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import which
from statistics import quantiles
from typing import Any

from playwright.async_api import Page, async_playwright

from orchestrator.transcript import Transcript
from orchestrator.transcript.file import transcript_path

FRIENDS = ("Dex", "Juno", "Marlow", "Priya")
SETTINGS = """
[servers]
engine = "echo"
first_port = 0
[[stages]]
platform = "web"
port = 0
"""
PAGE = Path("orchestrator/platforms/web/page")
START_SECONDS = 60
SCROLL = """async ({ pixels, up }) => {
    const scroller = document.querySelector("#scroller");
    const outermost = up ? ".line" : ".row:last-child .line";
    const edge = () => Number(document.querySelector(outermost).id.slice(5));
    const frames = [];
    let rows = 0, still = 0, last = performance.now(), place = null;
    while (still < 60) {  // a second at the edge: there is no more
        scroller.scrollTop += up ? -pixels : pixels;
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        frames.push(now - last);
        last = now;
        rows = Math.max(rows, document.querySelectorAll(".row").length);
        const here = `${edge()} ${scroller.scrollTop}`;
        still = here === place ? still + 1 : 0;
        place = here;
    }
    return { frames: frames.slice(0, -still), rows, edge: edge() };
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=10_000, help="in the transcript")
    parser.add_argument("--pixels", type=int, default=400, help="scrolled a frame")
    options = parser.parse_args()
    tell_weight()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "settings.toml").write_text(SETTINGS, encoding="utf-8")
        write_past(home, options.lines)
        asyncio.run(measure(home, options.pixels))


def tell_weight() -> None:
    """All files together: as they are written, and as they are sent."""
    files = [path.read_bytes() for path in sorted(PAGE.iterdir())]
    written = sum(map(len, files)) / 1000
    sent = sum(len(gzip.compress(data)) for data in files) / 1000
    print(f"{len(files)} files, {written:.0f} KB, compressed {sent:.0f} KB (at most 60)")


def write_past(home: Path, count: int) -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    with Transcript.open(transcript_path(home), fresh=True, seed=1, now=start) as transcript:
        for number in range(count):
            text = f"Soup number {number} is a soup. " * (1 + number % 4)
            at = start + timedelta(minutes=2 * number)
            transcript.add(FRIENDS[number // 2 % 4], "friend", text.strip(), {}, at)


async def measure(home: Path, pixels: int) -> None:
    show = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "orchestrator", "run", "--platform", "web", "--fast",
        "--settings", str(home / "settings.toml"),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    try:
        async with asyncio.timeout(START_SECONDS):
            url = await address(show)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=which("chromium"), args=["--no-sandbox"]
            )
            page = await browser.new_page(viewport={"width": 1280, "height": 800})
            await page.goto(url)
            await page.locator(".line").first.wait_for()
            await page.keyboard.press("p")  # nobody speaks meanwhile
            await page.get_by_role("button", name="Go on").wait_for()
            for up in (True, False):
                tell(await page.evaluate(SCROLL, {"pixels": pixels, "up": up}), up)
            await tell_memory(page)
            await browser.close()
    finally:
        show.terminate()
        await show.communicate()


async def address(show: asyncio.subprocess.Process) -> str:
    assert show.stderr is not None
    async for line in show.stderr:
        if b"on http://" in line:
            return line.decode().split("on ", 1)[1].split()[0].rstrip(".")
    raise SystemExit("The show did not start.")


def tell(found: dict[str, Any], up: bool) -> None:
    frames = sorted(found["frames"])
    half, most = (quantiles(frames, n=100)[at] for at in (49, 98))
    late = sum(time > 34 for time in frames) / len(frames)
    print(
        f"{'back' if up else 'forth'} to line {found['edge']}: {len(frames)} frames, "
        f"p50 {half:.1f} ms, p99 {most:.1f} ms, longest {frames[-1]:.0f} ms, "
        f"{late:.1%} over two frames' time, {found['rows']} rows at most"
    )


async def tell_memory(page: Page) -> None:
    session = await page.context.new_cdp_session(page)
    await session.send("HeapProfiler.collectGarbage")
    heap = await session.send("Runtime.getHeapUsage")
    print(f"{heap['usedSize'] / 1e6:.1f} MB of JavaScript's memory afterwards")


if __name__ == "__main__":
    main()

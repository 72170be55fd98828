"""The page of the show in a real browser: what people see of it, and do with it."""

from __future__ import annotations

import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import pairwise

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, Route, expect

from tests.browser import Complaints, NewPage, barriers, connected, pages_of
from tests.orchestrator.web_show import DISCORD_LINE, MARKUP, MARKUP_LINE, WebShow, web_show

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.asyncio(loop_scope="module")]

PAST_LINES = 900
PHRASE = f"Soup number {PAST_LINES - 2}"
"""In the last line of the past, from the one before; one line is from elsewhere and counts not."""
LIMIT_MS = 30_000
"""For anything to be seen; eight test runs at once on two cores are slow."""
AT_THE_END = "s => s.scrollHeight - s.scrollTop - s.clientHeight < 5"
PHONE = {"width": 320, "height": 568}
CALM = "reduce"
"""No animations: colours are those that stay."""

Visit = Callable[..., Awaitable[Page]]


@pytest.fixture(scope="module")
def show(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebShow]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with web_show(tmp_path_factory.mktemp("show"), port, PAST_LINES) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with connected(chromium) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def new_page(browser: Browser, complaints: Complaints) -> AsyncIterator[NewPage]:
    """As everywhere, but on the module's connection."""
    async with pages_of(browser, complaints) as new:
        yield new
    complaints.check()


@pytest.fixture
def visit(new_page: NewPage, show: WebShow) -> Visit:
    """Opens the show, once it is there and the page is connected with it."""

    async def go(where: str = "/", **options: object) -> Page:
        page = await new_page(reduced_motion=CALM, **options)
        page.set_default_timeout(LIMIT_MS)
        await page.goto(show.url + where)
        await page.locator("#pace-told:not(:empty), #pictures figure").first.wait_for(
            state="attached"
        )
        return page

    expect.set_options(timeout=LIMIT_MS)
    return go


def persons_line(page: Page, text: str) -> Locator:
    """Of people only: friends echo, so theirs may say the same."""
    return page.locator(".line.person").filter(has=page.locator(".text", has_text=text)).last


async def say(page: Page, text: str) -> None:
    await page.get_by_label("Say something").fill(text)
    await page.keyboard.press("Enter")


async def last_id(page: Page) -> int:
    name = await page.locator(".line:not(.notice)").last.get_attribute("id")
    assert name is not None
    return int(name.removeprefix("line-"))


async def ids(page: Page) -> list[int]:
    return await page.locator(".line").evaluate_all(  # type: ignore[no-any-return]  # of JavaScript
        "lines => lines.map(line => Number(line.id.slice(5)))"
    )


async def shows_the_end(page: Page) -> None:
    """Waits for the newest lines, which may have to be fetched."""
    await expect(page.locator("#newest")).to_be_hidden()
    await expect(page.locator(".line").last).to_be_in_viewport()
    assert await page.locator("#scroller").evaluate(AT_THE_END)


async def answered(page: Page, text: str) -> None:
    """Waits until a friend's line follows the one that says this."""
    row = persons_line(page, text).locator("xpath=..")
    await row.locator("xpath=following-sibling::*//*[contains(@class, 'friend')]").first.wait_for()


async def test_a_newcomer_is_told_that_these_are_bots_and_how_to_join_in(visit: Visit) -> None:
    page = await visit()
    await expect(page.locator("header")).to_contain_text("These are bots")
    await expect(page.locator("header")).to_contain_text("invented")
    await expect(page.get_by_label("Say something")).to_be_in_viewport()
    await expect(page.locator("#cast li")).to_have_count(4)
    await shows_the_end(page)


async def test_a_person_speaks_and_the_friend_that_is_named_answers(visit: Visit) -> None:
    page, other = await visit(), await visit()
    await page.get_by_label("Say something").focus()
    await page.get_by_label("Your name here").fill("Ana")
    await page.get_by_label("Your name here").press("Enter")
    await say(page, "Juno, is there any soup left?")
    own = persons_line(page, "is there any soup left")
    await expect(own).to_have_class(re.compile(r"\bown\b"))
    await answered(page, "is there any soup left")
    following = own.locator("xpath=../following-sibling::*")
    await following.locator(".friend .name", has_text="Juno").first.wait_for()
    await expect(page.get_by_label("Say something")).to_have_value("")
    # The other page shows the same, and there it is somebody else's line.
    theirs = persons_line(other, "is there any soup left")
    await expect(theirs).not_to_have_class(re.compile(r"\bown\b"))
    await expect(theirs).to_contain_text("Ana")
    await answered(other, "is there any soup left")
    await page.reload()
    await expect(page.get_by_role("button", name="You are called Ana; change that")).to_be_visible()


async def test_two_pages_stay_in_step(visit: Visit) -> None:
    first, second = await visit(), await visit()
    for number, page in enumerate((first, second, first)):
        await say(page, f"Dex, this is step {number}")
        await answered(page, f"this is step {number}")
    newest = await last_id(first)
    await second.locator(f"#line-{newest}").wait_for()
    steps = range(newest - 10, newest + 1)
    here, there = await ids(first), await ids(second)
    assert [i for i in here if i in steps] == [i for i in there if i in steps]


async def test_why_shows_the_phrase_in_the_line_that_it_came_from(visit: Visit) -> None:
    page = await visit(f"/#line-{PAST_LINES}")
    await page.locator(f"#line-{PAST_LINES} .said").click()
    panel = page.get_by_role("dialog", name="Why did Priya say this?")
    await expect(panel.locator("button.quote mark")).to_have_text(PHRASE)
    await expect(panel.locator(".explanation")).to_contain_text("it was Priya's turn")
    await expect(panel.locator(".bars li").first).to_contain_text("75 %")
    await expect(panel.locator(".candidates")).to_contain_text("dropped: too near")
    marked = "[...CSS.highlights.get('phrase')].map(range => range.toString())"
    assert await page.evaluate(marked) == [
        PHRASE, PHRASE.lower(),
    ]  # fmt: skip
    await page.keyboard.press("Escape")
    await expect(panel).to_be_hidden()
    assert not await page.evaluate("CSS.highlights.has('phrase')")


async def test_markup_and_script_in_a_line_show_as_text(visit: Visit) -> None:
    page = await visit(f"/#line-{MARKUP_LINE}")
    await expect(page.locator(f"#line-{MARKUP_LINE} .text")).to_have_text(MARKUP)
    await say(page, f"Dex {MARKUP}")
    await expect(page.locator(".own .text").last).to_contain_text("<script>alert(2)</script>")
    assert await page.locator("#scroller :is(script, [onerror])").count() == 0


async def test_pause_holds_until_somebody_lets_them_go_on(visit: Visit) -> None:
    page, other = await visit(), await visit()
    await page.get_by_role("button", name="Pause").click()
    await expect(other.get_by_role("button", name="Go on")).to_be_visible()
    await expect(other.locator("#doing")).to_contain_text("Paused")
    await say(page, "Marlow, are you asleep?")
    for each in (page, other):
        await persons_line(each, "are you asleep").wait_for()
    asked = await last_id(page)
    # A command's answer comes after whatever the show would have done before it.
    await say(page, "/status")
    await expect(page.locator("#answer")).to_contain_text("paused")
    assert await last_id(page) == asked
    await other.get_by_role("button", name="Go on").click()
    await answered(page, "are you asleep")
    await expect(page.get_by_role("button", name="Pause")).to_be_visible()


async def test_a_line_is_rolled_again_and_taken_back_in_its_place(visit: Visit) -> None:
    page, other = await visit(), await visit()
    await say(page, "Priya, tell us about the tuba")
    await answered(page, "tell us about the tuba")
    name = await page.locator(".line.friend").last.get_attribute("id")
    before = await page.locator(f"#{name} .text").inner_text()
    await page.locator(f"#{name} .said").click()
    await page.get_by_role("button", name="Roll again").click()
    await expect(page.locator("#answer")).to_contain_text(re.compile("tried again|nothing"))
    changed = other.locator(f"#{name}")
    if "tried again" in await page.locator("#answer").inner_text():
        await expect(changed).to_contain_text("(edited)")
        await expect(changed.locator(".text")).not_to_have_text(before)
    await page.get_by_role("button", name="Take back").click()
    await expect(changed).to_contain_text("taken back")
    await expect(page.locator(f"#{name} .text")).to_have_count(0)


async def test_an_answer_shows_what_it_answers(visit: Visit) -> None:
    page = await visit(f"/#line-{PAST_LINES - 4}")
    await page.locator(f"#line-{PAST_LINES - 4}").focus()
    await page.keyboard.press("r")
    await expect(page.locator("#replying")).to_contain_text(f"Soup number {PAST_LINES - 5}")
    await page.keyboard.type("that was a good one")
    await page.keyboard.press("Enter")
    own = persons_line(page, "that was a good one")
    await expect(own.locator(".answers")).to_contain_text(f"Soup number {PAST_LINES - 5} is")
    await expect(page.locator("#replying")).to_be_hidden()


async def test_friends_are_muted_the_pace_is_set_and_a_topic_given(visit: Visit) -> None:
    page, other = await visit(), await visit()
    await page.get_by_role("button", name="Mute Dex").click()
    await expect(other.locator('#cast li[data-name="Dex"]')).to_contain_text("muted")
    await other.get_by_role("button", name="Let Dex speak").click()
    await expect(page.get_by_role("button", name="Mute Dex")).to_be_visible()
    await page.get_by_label("Pace").press("ArrowRight")
    await expect(other.locator("#pace-told")).to_have_text("1.5 times as fast")
    await other.get_by_label("Pace").press("ArrowLeft")
    await expect(page.locator("#pace-told")).to_have_text("as usual")
    await page.get_by_label("Let them talk about").fill("walruses")
    await page.keyboard.press("Enter")
    await expect(other.locator("#topic-now")).to_contain_text("walruses")
    await other.get_by_role("button", name="End it").click()
    await expect(page.locator("#topic-now")).to_be_hidden()


async def test_names_and_commands_are_completed(visit: Visit) -> None:
    page = await visit()
    words = page.get_by_label("Say something")
    await words.press_sequentially("hello @ma")
    await expect(page.get_by_role("option")).to_have_count(1)
    await words.press("Tab")
    await expect(words).to_have_value("hello Marlow ")
    await words.fill("")
    await words.press_sequentially("/sta")
    await words.press("Enter")
    await expect(words).to_have_value("/status ")
    await words.press("Enter")
    await expect(page.locator("#answer")).to_contain_text("pace 1")


async def test_what_was_refused_stays_in_the_box(visit: Visit) -> None:
    page = await visit()
    await say(page, "/dance all night")
    await expect(page.locator("#answer")).to_contain_text(re.compile("no (such command|/dance)"))
    await expect(page.get_by_label("Say something")).to_have_value("/dance all night")


async def test_search_finds_a_line_and_shows_it_in_its_place(visit: Visit) -> None:
    page = await visit()
    await page.keyboard.press("/")
    await page.keyboard.type("soup number 123")
    result = page.locator(".results button")
    await expect(result).to_have_count(1)
    await expect(result.locator("mark")).to_have_text("Soup number 123")
    await result.click()
    await expect(page.locator("#line-124")).to_be_in_viewport()
    await expect(page.locator("#line-124")).to_be_focused()
    assert page.url.endswith("#line-124")
    await expect(page.locator("#newest")).to_contain_text("To the newest")
    await page.locator("#newest").click()
    await shows_the_end(page)


async def test_a_line_from_elsewhere_says_so_and_shows_what_people_put_to_it(visit: Visit) -> None:
    page = await visit(f"/#line-{DISCORD_LINE}")
    line = page.locator(f"#line-{DISCORD_LINE}")
    await expect(line.locator(".badge")).to_have_text("discord")
    await expect(line.locator(".reactions")).to_have_text("🍜 2")


async def test_lines_of_one_friend_in_a_row_are_one_group(visit: Visit) -> None:
    page = await visit("/#line-100")
    heads: list[tuple[str, bool, bool]] = await page.locator(".line.friend").evaluate_all(
        """lines => lines.map(line => [
            line.querySelector(".name").textContent,
            line.querySelector(".name").checkVisibility(),
            line.parentElement.querySelector("h2") !== null,
        ])"""
    )
    for (above, *_), (name, is_shown, begins_a_day) in pairwise(heads):
        assert is_shown == (name != above or begins_a_day)
    assert not all(is_shown for _, is_shown, _ in heads)


async def test_days_and_times_are_the_readers(visit: Visit) -> None:
    page = await visit("/#line-91", locale="de-DE", timezone_id="Asia/Tokyo")
    # 20:00 UTC and three hours on is the next morning in Tokyo.
    await expect(page.locator("#line-91 time")).to_have_text("08:00")
    await expect(page.locator("h2.day").first).to_have_text("Montag, 2. März")
    told = "import('/page/times.js').then(t => [t.timeOfDay(at), t.dayName(at)])"
    counted = await page.evaluate(f"(at) => {told}", "2000-01-01T01:14:05+00:00")
    assert counted == ["+1:14:05", "times since it began"]


async def test_a_link_to_a_line_opens_there(visit: Visit) -> None:
    page = await visit("/#line-40")
    await expect(page.locator("#line-40")).to_be_in_viewport()
    await page.evaluate("location.hash = '#line-700'")
    await expect(page.locator("#line-700")).to_be_in_viewport()


async def test_scrolling_back_reaches_the_beginning_without_jumps_and_without_end_of_memory(
    visit: Visit,
) -> None:
    page = await visit()
    seen: list[int] = []
    while not seen or seen[0] > 1:
        first = (await ids(page))[0]
        await page.locator("#scroller").evaluate(
            """async (scroller) => {
                const first = document.querySelector(".line");
                scroller.scrollTop = 1;  // not 0: a line that stays in place must be told apart
                const before = first.getBoundingClientRect().top;
                await new Promise((done) => {
                    const look = new MutationObserver(() => { look.disconnect(); done(); });
                    look.observe(document.querySelector("#lines"), { childList: true });
                    scroller.dispatchEvent(new Event("scroll"));
                });
                const moved = Math.abs(first.getBoundingClientRect().top - before);
                if (moved > 2) throw new Error(`the lines jumped by ${moved} pixels`);
            }"""
        )
        seen = await ids(page)
        assert seen[0] < first
        assert seen == sorted(set(seen))
        assert len(seen) <= 300
    await expect(page.locator("#top")).to_have_text("Here it began.")
    days = await page.locator("h2.day").all_inner_texts()
    assert len(days) == len(set(days)) >= 1


async def test_who_reads_further_up_stays_there_and_is_told_of_new_lines(visit: Visit) -> None:
    page, other = await visit(f"/#line-{PAST_LINES - 30}"), await visit()
    place = page.locator(f"#line-{PAST_LINES - 30}")
    await expect(page.locator("#newest")).to_be_visible()
    top = await place.evaluate("line => line.getBoundingClientRect().top")
    await say(other, "Dex, say something while nobody looks")
    await expect(page.locator("#newest")).to_contain_text(re.compile(r"\d+ new line"))
    await expect(page).to_have_title(re.compile(r"^\(\d+\) BotConvo$"))
    assert abs(await place.evaluate("line => line.getBoundingClientRect().top") - top) < 2
    await page.locator("#newest").click()
    await persons_line(page, "while nobody looks").wait_for()
    await expect(page.locator("#newest")).to_be_hidden()
    await expect(page).to_have_title("BotConvo")


async def test_a_page_comes_back_after_the_show_restarts_without_gaps_or_doubles(
    visit: Visit, show: WebShow, complaints: Complaints
) -> None:
    complaints.expect("WebSocket connection to")
    page = await visit()
    await say(page, "Priya, see you after the break")
    await answered(page, "see you after the break")
    show.stop()
    await expect(page.locator("#banner")).to_contain_text("No connection to the show")
    await say(page, "can anybody hear me")
    await expect(page.locator("#answer")).to_contain_text("no connection")
    await expect(page.get_by_label("Say something")).to_have_value("can anybody hear me")
    show.start()
    other = await visit()
    await say(other, "Priya, here we are again")
    await answered(other, "here we are again")
    await expect(page.locator("#banner")).to_be_empty()
    await persons_line(page, "here we are again").wait_for()
    newest = await last_id(other)
    await page.locator(f"#line-{newest}").wait_for()
    here, there = await ids(page), await ids(other)
    common = max(here[0], there[0])
    until_newest = range(common, newest + 1)
    assert [i for i in here if i in until_newest] == [i for i in there if i in until_newest]
    assert here == sorted(set(here))


async def test_everything_is_done_by_keyboard_alone(visit: Visit) -> None:
    page = await visit()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the box")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Say something")).to_be_focused()
    await page.keyboard.type("p is no key while somebody writes?")
    await expect(page.get_by_role("button", name="Pause")).to_be_visible()
    await page.keyboard.press("Enter")
    await persons_line(page, "p is no key").wait_for()
    await page.get_by_label("Say something").evaluate("words => words.blur()")
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="How this works")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.keyboard.press("k")
    await page.keyboard.press("k")
    while not await page.locator(".line.friend:focus").count():
        await page.keyboard.press("ArrowUp")
    focused = page.locator(".line:focus")
    assert await focused.evaluate("line => getComputedStyle(line).outlineStyle") == "solid"
    name = await focused.get_attribute("id")
    await page.keyboard.press("Enter")
    panel = page.get_by_role("dialog", name=re.compile("Why did|What became"))
    await expect(panel).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator(f"#{name}")).to_be_focused()
    await page.keyboard.press("p")
    await expect(page.get_by_role("button", name="Go on")).to_be_visible()
    await page.keyboard.press("p")
    await expect(page.get_by_role("button", name="Pause")).to_be_visible()


async def test_single_keys_can_be_switched_off(visit: Visit) -> None:
    page = await visit()
    await page.keyboard.press("?")
    await page.get_by_label("Single keys do something").uncheck()
    await page.keyboard.press("Escape")
    await page.keyboard.press("/")
    await page.reload()
    await page.keyboard.press("/")
    await expect(page.locator("#panel")).to_be_hidden()


@pytest.mark.parametrize("where", ["/", "/stats"])
async def test_nothing_is_wider_than_a_phone(visit: Visit, where: str) -> None:
    page = await visit(where, viewport=PHONE)
    is_narrow = "document.documentElement.scrollWidth <= innerWidth && innerWidth === 320"
    assert await page.evaluate(is_narrow)
    if where == "/":
        await page.locator(".line.friend .said").last.click()
        await expect(page.locator("#panel .facts").last).to_be_visible()
        assert await page.locator("#panel").evaluate("p => p.scrollWidth <= p.clientWidth")
        await page.get_by_role("button", name="Close", exact=True).click()
        await page.get_by_role("button", name="Direct the show").click()
        await expect(page.get_by_label("Let them talk about")).to_be_visible()
        assert await page.evaluate(is_narrow)


async def test_dark_and_light_follow_the_machine_until_the_reader_chooses(visit: Visit) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    dark, light = await visit(color_scheme="dark"), await visit(color_scheme="light")
    colors = await dark.evaluate(paper), await light.evaluate(paper)
    assert colors[0] != colors[1]
    await light.get_by_role("button", name="Dark or light").click()
    assert await light.evaluate(paper) == colors[0]
    await light.reload()
    assert await light.evaluate(paper) == colors[0]


async def test_nothing_shuts_people_out(visit: Visit) -> None:
    page = await visit(f"/#line-{PAST_LINES}")
    await say(page, "Juno, can everybody read this?")
    await answered(page, "can everybody read this")
    assert await barriers_by_day_and_night(page) == []
    await page.locator(".line.friend .said").last.click()
    await expect(page.locator("#panel .facts").last).to_be_visible()
    assert await barriers_by_day_and_night(page) == []
    await page.get_by_title("Who is Dex?").click()
    await expect(page.locator("#panel .portrait")).to_be_visible()
    assert await barriers_by_day_and_night(page) == []
    await page.goto(page.url.split("#")[0] + "stats")
    await page.locator("#pictures figure").first.wait_for()
    await page.locator("summary").first.click()
    assert await barriers_by_day_and_night(page) == []


async def barriers_by_day_and_night(page: Page) -> list[str]:
    found = []
    for scheme in ("dark", "light"):
        await page.emulate_media(color_scheme=scheme)
        found += [f"{scheme}: {barrier}" for barrier in await barriers(page)]
    return found


async def test_new_lines_are_told_to_screen_readers_but_not_the_own_ones(visit: Visit) -> None:
    page = await visit()
    await say(page, "Marlow, speak up")
    await answered(page, "speak up")
    await expect(page.locator("#announcer")).not_to_be_empty()
    await expect(page.locator("#announcer")).not_to_contain_text("You: ")
    assert await page.get_by_role("log").get_attribute("aria-live") == "off"


async def test_every_picture_of_the_statistics_has_a_table(visit: Visit) -> None:
    page = await visit("/stats")
    figures = page.locator("figure")
    assert await figures.count() >= 3
    for number in range(await figures.count()):
        assert await figures.nth(number).locator("table tbody tr").count() > 0
    pictures = page.locator("svg.chart")
    labels = [await picture.get_attribute("aria-label") for picture in await pictures.all()]
    assert labels and all(labels)


async def test_a_cards_facts_are_those_of_the_friend(visit: Visit) -> None:
    page = await visit()
    await page.get_by_title("Who is Juno?").click()
    card = page.get_by_role("dialog", name="Juno")
    await expect(card).to_contain_text(re.compile(r"A bot that learnt from [\d,]+ messages"))
    await expect(card.locator(".facts")).to_contain_text("style")


async def test_what_is_taken_back_while_a_page_loads_is_gone_there(
    visit: Visit, new_page: NewPage, show: WebShow
) -> None:
    other = await visit()
    await say(other, "Priya, what about the tuba")
    await answered(other, "what about the tuba")
    name = await other.locator(".line.friend").last.get_attribute("id")
    assert name is not None
    page = await new_page(reduced_motion=CALM)

    async def late(route: Route) -> None:
        response = await route.fetch()
        if not await other.locator(f"#{name}").get_by_text("taken back").count():
            await say(other, f"/oops {name.removeprefix('line-')}")
            await other.locator(f"#{name}").get_by_text("taken back").wait_for()
        await route.fulfill(response=response)

    await page.route("**/api/lines?*", late, times=1)
    await page.goto(show.url)
    await expect(page.locator(f"#{name}")).to_contain_text("taken back", timeout=LIMIT_MS)

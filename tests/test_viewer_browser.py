"""The page in a real browser, as its reader uses it: filters, keys, links, images, hostile text."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from browser import CHROMIUM, FLAGS, ready_ms
from synthetic_runs import Model, write_run
from viewer_runs import EVIL, keep_image, png, question, write_questions

from vigos_eval.records import ImageRef
from vigos_eval.viewer.page import write_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
ODD_NAME = "50%? <b>&ü #1"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not Path(CHROMIUM).is_file():
        reason = f"no {CHROMIUM}; install it with: apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Reader:
    """A tab on the page that records what a reader must never see: errors, dialogs, requests."""

    def __init__(self, browser: Browser, page: Path, fragment: str = "", **options: object) -> None:
        self.context = browser.new_context(**{"viewport": WIDE, **options})  # type: ignore[arg-type]
        self.tab: Page = self.context.new_page()
        self.faults: list[str] = []
        self.requests: list[str] = []
        self.tab.on("pageerror", lambda error: self.faults.append(f"error {error}"))
        self.tab.on("dialog", lambda dialog: self.faults.append(f"dialog {dialog.message}"))
        self.tab.on(
            "console",
            lambda m: self.faults.append(m.text) if m.type in ("error", "warning") else None,
        )
        self.tab.on("request", lambda request: self.requests.append(request.url.split(":")[0]))
        self.tab.goto(page.as_uri() + fragment)
        ready_ms(self.tab)

    @property
    def ids(self) -> list[str]:
        """Names of the questions in the list, in order."""
        return self.tab.evaluate(
            """() => [...document.querySelectorAll(".row")]
                .sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top)
                .map((row) => row.querySelector(".row-id").textContent)"""
        )

    @property
    def current(self) -> str:
        """Name of the question shown on the right."""
        return self.tab.locator(".sample-name h2").inner_text()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.tab.keyboard.press(key)

    def expect_current(self, name: str) -> None:
        self.tab.locator(".sample-name h2", has_text=name).wait_for(timeout=5000)

    def filter(self, name: str) -> list[str]:
        self.tab.locator(f'.chip[data-filter="{name}"]').click()
        return self.ids

    def close(self) -> None:
        self.context.close()
        assert not self.faults
        assert set(self.requests) <= {"file", "data"}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with one question of every kind, against a base."""
    folder = tmp_path_factory.mktemp("viewer")
    run = folder / "run"
    wide = keep_image(run, png("teal", (1600, 1000)))
    small = keep_image(run, png("gold", (90, 60)))
    questions = [
        question("all-right", "cc", [wide]),
        question("both", "cw", [wide, small]),
        question("cut", "cx"),
        question("evil", "we", [ImageRef("0" * 64, ".png")]),
        question("none-right", "ww"),
        question("skipped", ""),
        question("undecided", "uc"),
        question(ODD_NAME, "cw", task="mathvista"),
    ]
    write_questions(run, questions, tasks={"mmmu": {"questions": 20}})
    base = write_questions(
        folder / "base",
        [
            question("all-right", "ww"),
            question("both", "cc"),
            question("none-right", "cw"),
            question("evil", "ww"),
        ],
    )
    return write_page(run, base, run / "view.html").path


@pytest.fixture
def reader(browser: Browser, page: Path) -> Iterator[Reader]:
    opened = Reader(browser, page)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("wrong", ["evil", "none-right"]),
        ("mixed", [ODD_NAME, "both", "cut"]),
        ("right", ["all-right", "undecided"]),
        ("lost", ["none-right"]),
        ("gained", ["all-right"]),
        ("unparsed", ["cut"]),
        ("truncated", ["cut"]),
        ("ungraded", ["undecided"]),
        ("malformed", ["cut"]),
        ("skipped", ["skipped"]),
    ],
)
def test_a_filter_shows_its_questions_only(reader: Reader, name: str, expected: list[str]) -> None:
    assert len(reader.ids) == 8
    assert reader.filter(name) == expected
    assert reader.tab.locator("#count b").inner_text() == str(len(expected))
    assert len(reader.filter(name)) == 8


def test_filters_of_one_kind_widen_and_kinds_narrow(reader: Reader) -> None:
    reader.filter("wrong")
    assert reader.filter("mixed") == [ODD_NAME, "both", "cut", "evil", "none-right"]
    assert reader.filter("truncated") == ["cut"]
    reader.press("x")
    assert len(reader.ids) == 8


def test_task_and_subgroup_narrow_the_list(reader: Reader) -> None:
    reader.tab.select_option("#task", "mathvista")
    assert reader.ids == [ODD_NAME]
    reader.tab.select_option("#task", "mmmu")
    reader.tab.select_option("#group", "subject=Math")
    assert reader.ids == ["none-right", "skipped", "undecided"]


def test_search_reads_the_responses(reader: Reader) -> None:
    reader.press("/")
    reader.tab.keyboard.type("ONE AND TWO")
    reader.tab.locator("#count", has_text="6 of 8").wait_for(timeout=5000)
    # "all-right" says it in the base only.
    assert reader.ids == [ODD_NAME, "all-right", "both", "evil", "none-right", "undecided"]
    reader.press("Escape", "j", "j", "2")
    reader.expect_current("both")
    reader.tab.locator(".attempt mark", has_text="one and two").first.wait_for(timeout=5000)


def test_the_keyboard_walks_through_the_questions(reader: Reader) -> None:
    reader.expect_current(ODD_NAME)
    for key, name in [
        ("j", "all-right"),
        ("ArrowDown", "both"),
        ("k", "all-right"),
        ("ArrowUp", ODD_NAME),
        ("k", ODD_NAME),
        ("End", "undecided"),
        ("j", "undecided"),
        ("Home", ODD_NAME),
    ]:
        reader.press(key)
        reader.expect_current(name)
    reader.press("?")
    assert reader.tab.locator("#help").is_visible()
    reader.press("j", "Escape")
    assert not reader.tab.locator("#help").is_visible()
    assert reader.current == ODD_NAME


def test_number_keys_open_attempts_on_both_sides(reader: Reader) -> None:
    reader.tab.evaluate("location.hash = 'mmmu:both'")
    reader.expect_current("both")
    reader.press("2")
    second = reader.tab.locator('details[data-number="1"]')
    assert second.count() == 2
    assert [second.nth(i).get_attribute("open") for i in (0, 1)] == ["", ""]
    reader.press("e")
    assert reader.tab.locator("details.attempt[open]").count() == 0
    reader.press("e")
    assert reader.tab.locator("details.attempt[open]").count() == 4


def test_an_attempt_shows_answer_verdict_reason_and_coloured_segments(reader: Reader) -> None:
    reader.tab.evaluate("location.hash = 'mmmu:both'")
    reader.expect_current("both")
    reader.press("2")
    card = reader.tab.locator('details[data-side="run"][data-number="1"]')
    assert card.locator(".answer-text").inner_text() == "3"
    assert card.locator(".square").get_attribute("title") == "wrong"
    assert card.locator(".reason").inner_text() == "'3' against gold '2'"
    assert reader.tab.locator(".gold-text").inner_text() == "2"
    assert card.locator(".segment.think p").inner_text() == "one and two"
    assert card.locator(".segment.answer p").inner_text() == "\\boxed{3}"
    grounds = card.locator(".segment:not(.other)").evaluate_all(
        "boxes => boxes.map((box) => getComputedStyle(box).backgroundColor)"
    )
    assert len(set(grounds)) == 3
    assert reader.tab.locator(".column-head").all_inner_texts()[0].startswith("Base")


@pytest.mark.parametrize("key", ["mmmu:none-right", f"mathvista:{ODD_NAME}"])
def test_every_question_has_a_link(browser: Browser, page: Path, key: str) -> None:
    reader = Reader(browser, page, "#" + quote(key, safe=""))
    assert reader.current == key.split(":")[1]
    links = reader.tab.locator(".row").evaluate_all("rows => rows.map((row) => row.hash)")
    assert "#" + quote(key, safe="!'()*~") in links
    reader.close()


def test_a_link_carries_filters_and_survives_them(browser: Browser, page: Path) -> None:
    reader = Reader(browser, page, "#mmmu%3Anone-right?show=wrong&task=mmmu")
    assert reader.current == "none-right"
    assert reader.ids == ["evil", "none-right"]
    reader.press("k")
    reader.expect_current("evil")
    assert reader.tab.url.endswith("#mmmu%3Aevil?task=mmmu&show=wrong")
    reader.close()
    # A question that its own filters hide is shown, not lost.
    reader = Reader(browser, page, "#mmmu%3Aall-right?show=wrong")
    assert reader.current == "all-right"
    assert "all-right" in reader.ids
    reader.close()


def test_a_link_to_no_question_says_so(browser: Browser, page: Path) -> None:
    reader = Reader(browser, page, "#mmmu:gone%ZZ")
    assert "No question mmmu:gone%ZZ in this run" in reader.tab.locator(".toast").inner_text()
    assert reader.current == ODD_NAME
    reader.close()


def test_hostile_text_is_shown_as_text(reader: Reader) -> None:
    reader.tab.evaluate("location.hash = 'mmmu:evil'")
    reader.expect_current("evil")
    reader.press("2")
    card = reader.tab.locator('details[data-side="run"][data-number="1"]')
    assert card.locator(".answer-text").inner_text() == EVIL
    assert card.locator(".reason").inner_text() == EVIL
    assert EVIL in card.locator(".attempt-body").inner_text()
    assert reader.tab.evaluate("window.pwned") is None
    assert reader.tab.locator("#sample script, #sample img[src=x]").count() == 0


def test_the_policy_stops_a_script_that_got_in_anyway(browser: Browser, page: Path) -> None:
    reader = Reader(browser, page)
    blocked: list[str | None] = []
    reader.tab.on("requestfailed", lambda request: blocked.append(request.failure))
    reader.tab.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "window.pwned = 3";
          document.body.append(script);
          const image = document.createElement("img");
          image.src = "https://example.org/leak.png";
          document.body.append(image);
        }"""
    )
    assert reader.tab.evaluate("window.pwned") is None
    assert len(reader.faults) == 2
    assert all("Content Security Policy" in fault for fault in reader.faults)
    assert blocked == ["csp"]
    reader.faults.clear()
    reader.requests.clear()
    reader.close()


def test_a_thumbnail_opens_the_image_at_full_size(reader: Reader) -> None:
    reader.tab.evaluate("location.hash = 'mmmu:both'")
    reader.expect_current("both")
    assert reader.tab.locator(".figure img").count() == 2
    natural = "image => image.decode().then(() => [image.naturalWidth, image.naturalHeight])"
    row = reader.tab.locator('.row[data-key="mmmu:both"] img')
    assert row.evaluate(natural) == [224, 140]
    reader.tab.locator(".figure").first.click()
    assert reader.tab.locator("#lightbox img").evaluate(natural) == [1600, 1000]
    reader.press("ArrowRight")
    assert reader.tab.locator("#lightbox img").evaluate(natural) == [90, 60]
    reader.press("Escape")
    assert not reader.tab.locator("#lightbox").is_visible()


def test_images_beside_the_page_load_and_their_loss_leaves_the_thumbnail(
    browser: Browser, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    ref = keep_image(run, png("teal", (1600, 1000)))
    write_questions(run, [question("a", "c", [ref])])
    page = tmp_path / "beside.html"
    # Room for the thumbnail, not for the image.
    write_page(run, None, page, inline_limit=1000)
    natural = "image => image.decode().then(() => image.naturalWidth)"
    reader = Reader(browser, page)
    assert reader.tab.locator(".figure img").evaluate(natural) == 1600
    reader.close()
    (tmp_path / "beside_images" / f"{ref.sha256}.png").unlink()
    reader = Reader(browser, page)
    reader.tab.locator(".figure.small-only").wait_for(timeout=5000)
    assert reader.tab.locator(".figure img").evaluate(natural) == 224
    assert all("ERR_FILE_NOT_FOUND" in fault for fault in reader.faults)
    reader.faults.clear()
    reader.close()


def test_what_is_missing_is_said_on_the_page(reader: Reader) -> None:
    assert (
        "Half-written run: 7 of 20 mmmu questions so far."
        in reader.tab.locator("#notices").inner_text()
    )
    reader.tab.evaluate("location.hash = 'mmmu:evil'")
    reader.expect_current("evil")
    assert "not kept" in reader.tab.locator(".no-image").inner_text()
    reader.tab.evaluate("location.hash = 'mmmu:skipped'")
    reader.expect_current("skipped")
    assert "Never asked: image cannot be read" in reader.tab.locator("#sample").inner_text()


def test_thousands_of_questions_keep_few_rows_in_the_page(browser: Browser, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"mmmu": 4000}, Model(words=30), settings={"k": 1})
    reader = Reader(browser, write_page(run, None, run / "view.html").path)
    most = reader.tab.evaluate(
        """async () => {
          const list = document.getElementById("scroller");
          let most = 0;
          for (let i = 0; i <= 60; i += 1) {
            list.scrollTop = (i / 60) * list.scrollHeight;
            await new Promise(requestAnimationFrame);
            await new Promise(requestAnimationFrame);
            most = Math.max(most, document.querySelectorAll(".row").length);
          }
          return most;
        }"""
    )
    assert 5 < most < 200
    assert reader.ids[-1] == "3999"
    reader.press("End")
    reader.expect_current("3999")
    assert reader.tab.locator("#count b").inner_text() == "4,000"
    reader.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_system_theme_and_the_key_overrides_it(
    browser: Browser, page: Path, scheme: str
) -> None:
    def brightness() -> int:
        return reader.tab.evaluate(
            "Number(getComputedStyle(document.body).backgroundColor.match(/[0-9]+/)[0])"
        )

    reader = Reader(browser, page, color_scheme=scheme)
    assert (brightness() > 128) == (scheme == "light")
    reader.press("t")
    assert brightness() > 128
    reader.press("t")
    assert brightness() < 128
    reader.close()


def test_a_phone_shows_the_list_then_the_question(browser: Browser, page: Path) -> None:
    reader = Reader(browser, page, viewport=PHONE)
    tab = reader.tab
    assert tab.locator("#scroller").is_visible()
    assert not tab.locator("#sample").is_visible()
    tab.locator('.row[data-key="mmmu:both"]').click()
    reader.expect_current("both")
    assert not tab.locator(".list-pane").is_visible()
    for selector in ("html", "#sample"):
        width = tab.locator(selector).evaluate("e => e.scrollWidth")
        assert width <= PHONE["width"], selector
    tab.locator(".back").click()
    assert tab.locator("#scroller").is_visible()
    tab.locator('.row[data-key="mmmu:cut"]').click()
    reader.expect_current("cut")
    tab.go_back()
    tab.locator("#scroller").wait_for(timeout=5000)
    reader.close()
    reader = Reader(browser, page, "#mmmu:cut", viewport=PHONE)
    assert reader.current == "cut"
    reader.close()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("light", {"color_scheme": "light"}),
        ("dark", {"color_scheme": "dark"}),
        ("phone", {"viewport": PHONE}),
    ],
)
def test_screenshots_hold_a_picture(
    browser: Browser, page: Path, tmp_path: Path, name: str, options: dict[str, object]
) -> None:
    from PIL import Image

    reader = Reader(browser, page, "#mmmu%3Aboth", **options)
    reader.tab.locator(".figure img").first.evaluate("image => image.decode()")
    shot = tmp_path / f"{name}.png"
    reader.tab.screenshot(path=str(shot))
    with Image.open(shot) as picture:
        colors = picture.convert("RGB").getcolors(1 << 24) or []
    teal = sum(count for count, (r, g, b) in colors if r < 20 and 118 < g < 138 and 118 < b < 138)
    assert teal > 5000
    reader.close()

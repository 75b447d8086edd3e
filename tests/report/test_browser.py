"""The report in a real browser: Chromium, driven by playwright.

It needs Chromium on the PATH, and the variable DEEPFAKE_ATLAS_DEMO: a clone in which
`make demo` has run.
"""

import json
import os
import shutil
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from tests.support.report_page import faults, read_page

DEMO = os.environ.get("DEEPFAKE_ATLAS_DEMO", "")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
RESULTS = Path(DEMO, "results").absolute()
PAGE = RESULTS / "report/index.html"
MAX_INDEX_BYTES = 5_000_000

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium"),
    pytest.mark.skipif(not DEMO, reason="DEEPFAKE_ATLAS_DEMO names no demo"),
]


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as driver:
        arguments = ["--no-sandbox"] if os.getuid() == 0 else []
        with driver.chromium.launch(executable_path=CHROMIUM, args=arguments) as found:
            yield found


@pytest.fixture
def opened(browser):
    """A function that opens the page; at the end nothing may have gone wrong."""
    contexts, wrong = [], []

    def open_page(width=1600, **options):
        context = browser.new_context(
            viewport={"width": width, "height": 1000}, offline=True, **options
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append(dialog.message))
        page.on(
            "request",
            lambda request: (
                wrong.append(request.url)
                if not request.url.startswith(("file://", "data:", "blob:"))
                else None
            ),
        )
        page.goto(PAGE.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def test_the_demos_page_has_the_numbers_of_its_tables_and_is_small():
    page = read_page(PAGE)
    assert faults(page, RESULTS) == []
    assert PAGE.stat().st_size <= MAX_INDEX_BYTES
    # It holds everything, and is no page that refers to others.
    assert list((PAGE.parent / "pages").glob("*.html")) == []
    assert len([text for _, text in page.images if "Mean attribution map" in text]) > 50


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1600, "light")])
def test_people_with_any_screen_and_any_eyes_can_read_it(opened, width, scheme):
    page = opened(width, color_scheme=scheme)
    if scheme == "light":  # once: all that is closed, of the first group of each kind
        page.evaluate(
            """for (const section of document.querySelectorAll("section")) {
              const groups = section.querySelectorAll("details");
              for (const group of [...groups].slice(0, 2)) group.open = true;
            }"""
        )
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    undecoded = page.evaluate(
        """async () => {
          const images = [...document.images];
          images.forEach(image => { image.loading = "eager"; });
          await Promise.all(images.map(image => image.decode().catch(() => {})));
          return images.filter(image => !image.naturalWidth || !image.alt).length;
        }"""
    )
    assert undecoded == 0
    found = Axe().run(page).response["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    assert [(v["id"], v["nodes"][0]["html"][:300]) for v in serious] == []


def test_the_page_can_be_read_without_scripts(opened):
    page = opened(java_script_enabled=False)
    assert page.locator(".viewer").count() == 0
    assert page.locator("table").first.is_visible()
    group = page.locator("#atlases details.group").first
    cell = group.locator(".cell").first
    assert not cell.is_visible()
    group.locator("summary").first.click()
    assert cell.is_visible()


@pytest.mark.parametrize("width", [360, 1600])
def test_the_viewer_of_atlases_is_used_by_keyboard(opened, width):
    page = opened(width)
    pane = page.locator(".pane").first
    method = pane.get_by_label("method")
    shown = pane.locator(".shown .cell")
    before = shown.get_attribute("data-method")
    method.focus()
    page.keyboard.press("ArrowDown")
    assert shown.get_attribute("data-method") == method.input_value() != before
    other = page.locator(".pane").nth(1).locator(".shown .cell")
    assert other.get_attribute("data-model") != shown.get_attribute("data-model")
    face = page.get_by_label("face", exact=True)
    picture = pane.locator(".shown img.face")
    visibility = "element => getComputedStyle(element).visibility"
    assert picture.evaluate(visibility) == "visible"
    face.focus()
    page.keyboard.press("Space")
    assert picture.evaluate(visibility) == "hidden"


@pytest.mark.parametrize("width", [360, 1600])
def test_tables_are_sorted_and_filtered_by_keyboard(opened, width):
    page = opened(width)
    table = page.locator('.table[data-file="metrics/videos.csv"]')
    heading = table.get_by_role("button", name="AUC", exact=True)
    column = [
        text.strip() for text in table.locator("thead th").all_inner_texts()
    ].index("AUC")

    def values():
        cells = table.locator(f"tbody tr:visible td:nth-child({column + 1}) > data")
        return [float(cell.get_attribute("value")) for cell in cells.all()]

    start = values()
    heading.focus()
    page.keyboard.press("Enter")
    assert values() == sorted(start)
    page.keyboard.press("Enter")
    assert values() == sorted(start, reverse=True)
    table.get_by_role("searchbox").focus()
    page.keyboard.type("facESwap")
    assert 0 < len(values()) < len(start)
    assert "FaceSwap" in table.locator("tbody tr:visible").first.inner_text()


def test_galleries_are_searched_by_the_name_of_a_video(opened):
    page = opened()
    gallery = page.locator("#gallery")
    name = gallery.locator(".card").first.get_attribute("data-video")
    gallery.get_by_role("searchbox").focus()
    page.keyboard.type(name)
    cards = gallery.locator(".card:visible")
    assert cards.count() >= 1
    assert {card.get_attribute("data-video") for card in cards.all()} == {name}


@pytest.mark.parametrize("width", [360, 1600])
def test_ratings_are_saved_as_json(opened, tmp_path, width):
    page = opened(width, accept_downloads=True)
    rating = page.locator("section#metrics > .rating")
    rating.get_by_label("doubtful").focus()
    page.keyboard.press("Space")
    rating.get_by_label("comment").focus()
    page.keyboard.type('too "good"')
    page.locator("#gallery summary").first.click()
    card = page.locator("#gallery .card").first
    card.get_by_label("fine").focus()
    page.keyboard.press("Space")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save ratings").focus()
        page.keyboard.press("Enter")
    download.value.save_as(tmp_path / "ratings.json")
    saved = json.loads((tmp_path / "ratings.json").read_text())["ratings"]
    assert saved["metrics"] == {"rating": "doubtful", "comment": 'too "good"'}
    (name,) = set(saved) - {"metrics"}
    assert card.get_attribute("data-video") in name
    assert saved[name]["rating"] == "fine"

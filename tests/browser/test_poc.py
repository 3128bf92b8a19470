"""The page of a proof of concept in a real browser: it opens from a file, and asks nobody for anything."""

import os
import shutil

import pytest

from tests.evaluation.poc_results import drawn, results
from thermolang.evaluation.poc_figures import Aim, Prices
from thermolang.evaluation.poc_report import write_page

sync_api = pytest.importorskip("playwright.sync_api")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    # On CI a missing browser is a failure, not a reason to pass.
    pytest.mark.skipif(CHROMIUM is None and not os.environ.get("CI"), reason="no Chromium to drive"),
]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="module")
def found(calibrator_for):
    from tests.fakes import FakeModel

    p, right = drawn(0.7, 200, sure=0.99)
    prices = Prices.parse("wrong=5000,review=300,minutes=3,volume=10000,currency=EUR")
    return results(calibrator_for(FakeModel()), p=p, right=right, aim=Aim(0.1, prices=prices))


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_the_report_opens_without_a_request(browser, found, tmp_path, lang):
    address = write_page(found, tmp_path / "report.html", lang=lang).as_uri()
    asked, problems = [], []
    for width, scheme in ((1280, "light"), (390, "dark")):
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(address)
        assert page.locator("h2").count() >= 9 and page.locator("figure svg").count() == 6
        # Nothing is wider than the page; wide tables scroll by themselves.
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.locator("summary").first.click()
        assert page.locator("details table").first.is_visible()
        context.close()
    assert set(asked) == {address} and problems == []

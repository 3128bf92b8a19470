"""Take the pictures of the review desk in docs/images: python tools/desk_screens.py [--only NAME] [--model MODEL].

Needs the dependency group ``dev`` and a Chromium on the PATH. A desk with invented answers and people runs on this
machine while the pictures are taken; nothing of it stays.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "apps" / "review")]

from PIL import Image  # noqa: E402
from playwright.sync_api import Browser, Page, expect, sync_playwright  # noqa: E402
from thermolang_desk import running  # noqa: E402

from thermolang import ReviewStore  # noqa: E402
from thermolang.review import Filter, LeadService, ReviewService, TaskSettings  # noqa: E402
from tools.desk_items import CONTRACTS, INVOICES, JAPANESE, LEAD, OPEN, PASSWORD, REVIEWERS, SHIPPING, fill  # noqa: E402

IMAGES = ROOT / "docs" / "images"
SIZE = {"width": 1280, "height": 720}
# A model on a processor answers in its own time, and a busy machine the rest in its.
ANSWER_SECONDS = 300
expect.set_options(timeout=60_000)


class Studio:
    """A desk in a browser.

    Args:
        browser: Opens its pages.
        address: Of the desk.
        store: Of the desk.
    """

    def __init__(self, browser: Browser, address: str, store: ReviewStore) -> None:
        self.browser, self.address, self.store = browser, address, store
        self.service, self.leads = ReviewService(store), LeadService(store)
        self.logins: dict[str, Any] = {}

    def open(self, path: str, user: str = LEAD, locale: str = "en-US", scheme: Any = "light") -> Page:
        """A page as somebody sees it who has logged in; nobody logs in with an empty name."""
        login = self.logins.get(user)
        page = self.browser.new_page(viewport=SIZE, locale=locale, color_scheme=scheme, storage_state=login)
        page.goto(f"{self.address}{path}")
        if user and not login:
            page.locator("[name=name]").fill(user)
            page.locator("[name=password]").fill(PASSWORD)
            page.locator("#login button").click()
            expect(page.locator("body.login")).to_have_count(0)
            self.logins[user] = {"cookies": page.context.cookies(), "origins": []}
        return page

    def item(self, text: str, task: str) -> str:
        """The id of an undecided item, by a part of its question."""
        return self.service.search(Filter(text=text, task=task)).rows[0].id

    def show(self, item_id: str, **options: Any) -> Page:
        """The queue with one item open."""
        page = self.open(f"/?item={item_id}", **options)
        expect(page.locator("#form")).to_have_attribute("data-ready", item_id)
        expect(page.locator("#rows tr").first).to_be_visible()
        return page


def queue(desk: Studio) -> Page:
    """An answer that was asked for again, with its meanings, in the list of all that wait."""
    return desk.show(desk.item("lithium", SHIPPING))


def japanese(desk: Studio) -> Page:
    """The same for a reviewer who reads Japanese and likes it dark."""
    return desk.show(desk.item("破損", JAPANESE), user=REVIEWERS[2], locale="ja-JP", scheme="dark")


def fields(desk: Studio) -> Page:
    """A structured answer, of which two fields are doubtful."""
    return desk.show(desk.item("invoice", INVOICES), user=REVIEWERS[0])


def correction(desk: Studio) -> Page:
    """The right answer is marked in the passage, and has become the correction."""
    page = desk.show(desk.item("do not renew", CONTRACTS), user=REVIEWERS[0])
    page.locator(".passage").evaluate(
        "passage => { const node = passage.firstChild, right = 'by 30 September', at = node.data.indexOf(right);"
        " getSelection().setBaseAndExtent(node, at, node, at + right.length); }"
    )
    page.keyboard.press("c")
    expect(page.locator("#correction")).to_have_value("by 30 September")
    return page


def blind(desk: Studio) -> Page:
    """An answer whose confidence is hidden until the verdict."""
    desk.leads.set_settings(OPEN, TaskSettings("blind", 0.5, 0.05, 0.1), operator=LEAD)
    waiting = desk.service.search(Filter(task=OPEN), operator=REVIEWERS[1], order="oldest").rows
    page = desk.show(waiting[0].id, user=REVIEWERS[1])
    expect(page.locator("#blind")).to_be_visible()
    return page


def login(desk: Studio) -> Page:
    """The page on which one logs in."""
    page = desk.open("/", user="")
    expect(page.locator("#login button")).to_be_enabled()
    return page


def quality(desk: Studio) -> Page:
    """Error against coverage, and what another threshold would change."""
    page = desk.open("/lead?threshold=0.6")
    expect(page.locator("#preview svg")).to_be_visible()
    return page


def load(desk: Studio) -> Page:
    """Items per day and waiting times."""
    return desk.open("/lead/load")


def people(desk: Studio) -> Page:
    """Whether the confidence helps people to judge."""
    return desk.open("/lead/people")


def work(desk: Studio) -> Page:
    """Who has what, and what waits for a lead."""
    desk.service.assign(desk.item("法人契約", JAPANESE), REVIEWERS[2], operator=LEAD)
    page = desk.open("/lead/work")
    # What they have open now would be free again soon.
    for name in REVIEWERS[:2]:
        desk.service.next(name)
    page.reload()
    return page


def alarms(desk: Studio) -> Page:
    """What monitors have noticed."""
    return desk.open("/lead/alarms")


def settings(desk: Studio) -> Page:
    """How each task is reviewed, and the probes."""
    desk.leads.set_settings(CONTRACTS, TaskSettings("random", 0.5, 0.1, 0.2), operator=LEAD)
    desk.leads.set_settings(OPEN, TaskSettings("blind", 0.5, 0.05, 0.1), operator=LEAD)
    return desk.open("/lead/settings")


def ask(desk: Studio) -> Page:
    """A question to a real model, its answer and what it said when it was asked again."""
    page = desk.open("/try")
    page.locator("#question").fill("What is the capital of Australia?")
    page.locator("[name=mode]").select_option("thorough")
    page.locator("#go").click()
    expect(page.locator("#detail .score")).to_be_visible(timeout=1000 * ANSWER_SECONDS)
    return page


# In this order: what hides confidences comes after the other pictures of queues, and before anybody takes an item.
SHOTS: dict[str, Callable[[Studio], Page]] = {
    "desk": queue,
    "desk-ja": japanese,
    "desk-item": fields,
    "desk-correction": correction,
    "desk-blind": blind,
    "desk-login": login,
    "desk-lead": quality,
    "desk-load": load,
    "desk-people": people,
    "desk-work": work,
    "desk-alarms": alarms,
    "desk-settings": settings,
}
TRY = "desk-try"


@contextmanager
def studio(model: str | None) -> Iterator[Studio]:
    """A desk that is filled and opened, for a while."""
    chats = _chats(model) if model else None
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "review.db"
        fill(file, datetime.now(timezone.utc))
        chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        url = f"sqlite:///{file}"
        with ReviewStore(url) as store, running(url, chats=chats) as address:
            yield Studio(browser, address, store)
            browser.close()


def _chats(model: str) -> dict[str, Any]:
    from thermolang.langchain import ChatThermolang, with_confidence

    chat = ChatThermolang.from_model(model, timeout=ANSWER_SECONDS)
    return {mode: with_confidence(chat, task="try", mode=mode) for mode in ("fast", "thorough")}


def small(png: bytes) -> bytes:
    """The same picture with a palette, which takes a third of the space."""
    picture, file = Image.open(io.BytesIO(png)).convert("RGB"), io.BytesIO()
    # Letters have edges of many greys; the few pixels of a warning's red must stay red all the same.
    method, dither = Image.Quantize.MAXCOVERAGE, Image.Dither.NONE
    picture.quantize(256, method=method, dither=dither).save(file, "PNG", optimize=True)
    return file.getvalue()


def main() -> None:
    """Read the options and take the pictures."""
    parser = argparse.ArgumentParser(
        description="Take the pictures of the review desk for the documentation, with invented answers and people.",
        epilog=f"Pictures: {', '.join([*SHOTS, TRY])}.",
    )
    parser.add_argument("--out", type=Path, default=IMAGES, help="folder of the pictures (default: docs/images)")
    parser.add_argument("--only", choices=[*SHOTS, TRY], metavar="NAME", help="only this picture, such as desk-load")
    parser.add_argument("--model", help=f"a model such as smollm2-135m, for {TRY}; without it that one is left out")
    given = parser.parse_args()
    if given.only == TRY and not given.model:
        parser.error(f"{TRY} needs a model: --model smollm2-135m")
    shots = {**SHOTS, TRY: ask} if given.model else SHOTS
    given.out.mkdir(parents=True, exist_ok=True)
    with studio(given.model) as desk:
        for name in [given.only] if given.only else shots:
            page = shots[name](desk)
            picture = small(page.screenshot(animations="disabled", caret="hide"))
            page.close()
            (given.out / f"{name}.png").write_bytes(picture)
            print(f"{name}.png  {len(picture) / 1000:.0f} kB")


if __name__ == "__main__":
    main()

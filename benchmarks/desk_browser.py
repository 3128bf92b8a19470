"""The desk in a real browser: milliseconds from a key to the next item, keys an item, and what an idle page costs.

    python benchmarks/desk_browser.py [--items 100000] [--decide 200] [--idle 30]

Fills a database of its own, starts the desk over it, opens the page in a Chromium of this machine, and decides items by
keyboard as an operator does: most are accepted, some rejected with a reason, corrected or skipped. The time is taken in
the page, from the key that decides to the next item in the document; between two keys the operator waits as long as
the desk demands. Then nothing is touched, and what travels is counted.
"""

import argparse
import json
import random
import shutil
import tempfile
import time

import numpy as np
from desk import fill
from playwright.sync_api import sync_playwright
from rich.progress import track
from thermolang_desk import running

from thermolang import ReviewStore

WATCH = """() => {
  const seen = () => document.querySelector('#detail article')?.dataset.item;
  window.took = []; let start = null, item = seen();
  addEventListener('keydown', () => { start = performance.now(); }, true);
  new MutationObserver(() => {
    if (!seen() || seen() === item) return;
    if (start !== null) window.took.push(performance.now() - start);
    [item, start] = [seen(), null];
  }).observe(document.querySelector('#detail'), {childList: true, subtree: true, attributes: true});
}"""
READY = """() => {
  const item = document.querySelector('#detail article')?.dataset.item;
  return item && item !== %r && document.querySelector('#form').dataset.ready === item ? item : null;
}"""
WAYS = {"accept": ["a"], "reject": ["r", "1"], "correct": ["c", "X", "Control+Enter"], "skip": ["s"]}
SHARES = [0.7, 0.15, 0.1, 0.05]


def decide(page, count):
    """Decide items; the numbers of keys by what was done."""
    rng, item, keys, start = random.Random(0), "", {}, time.monotonic()
    for _ in track(range(count), "deciding"):
        item = page.wait_for_function(READY % item, timeout=60_000).json_value()
        (way,) = rng.choices(list(WAYS), SHARES)
        for key in WAYS[way]:
            page.keyboard.press(key)
        keys.setdefault(way, []).append(len(WAYS[way]))
    page.wait_for_function(READY % item, timeout=60_000)
    return {
        "keys an item": round(float(np.mean([k for found in keys.values() for k in found])), 2),
        "seconds an item": round((time.monotonic() - start) / count, 2),
        "done": {way: len(found) for way, found in keys.items()},
    }


def idle(page, seconds):
    """Bytes a second that an idle page receives."""
    page.wait_for_timeout(5000)  # what follows the last decision
    session, found = page.context.new_cdp_session(page), []
    session.send("Network.enable")
    session.on("Network.loadingFinished", lambda event: found.append(event["encodedDataLength"]))  # with headers
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.wait_for_timeout(seconds * 1000)
    return {"bytes a second": round(sum(found) / seconds), "requests": len(requests), "seconds": seconds}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--decide", type=int, default=200)
    parser.add_argument("--idle", type=int, default=30)
    args = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        url = f"sqlite:///{folder}/review.db"
        with ReviewStore(url) as store:
            fill(store, args.items)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        with running(url, login=False) as address:
            page = browser.new_page(viewport={"width": 1280, "height": 720})
            page.goto(address)
            page.wait_for_selector("#detail article")
            page.evaluate(WATCH)
            found = decide(page, args.decide)
            took = page.evaluate("window.took")
            found["key to next item, ms"] = {p: round(float(np.quantile(took, p / 100))) for p in (50, 95, 100)}
            found["idle"] = idle(page, args.idle)
        browser.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main()

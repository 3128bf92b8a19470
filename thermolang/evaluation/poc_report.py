"""The page of a proof of concept: one HTML file in English or Japanese, which asks for nothing from outside.

Sentences are in ``poc.en.toml`` and ``poc.ja.toml``; which of them stand in the page is decided here and in
``poc.html.j2``, from the numbers alone.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from functools import cache, partial
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from thermolang.calibration.metrics import METRICS
from thermolang.errors import InvalidInputError
from thermolang.evaluation import plots, poc_plots
from thermolang.evaluation.poc_figures import METRIC_NAMES
from thermolang.evaluation.poc_methods import OURS, RAW
from thermolang.storage import write_atomically

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Record = Mapping[str, Any]

LANGUAGES = ("en", "ja")
FEW = 300
"""Labelled answers below which the page asks to look at the intervals."""

WIDE = 0.1
"""Width of the overhead's interval from which a quiet machine is asked for."""

COMPARED = ("NLL right", "Brier", "ECE", "AUROC")
"""Metrics of the table of methods, which has to fit on a sheet."""

MOST_NAMED = 3
"""Methods that are named in a sentence."""

DASH, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"


class Texts:
    """The sentences of one language.

    Args:
        lang: ``"en"`` or ``"ja"``.

    Raises:
        InvalidInputError: Another language.
    """

    def __init__(self, lang: str) -> None:
        if lang not in LANGUAGES:
            msg = f"the report is written in {' or '.join(LANGUAGES)}, not in {lang!r}"
            raise InvalidInputError(msg)
        self.lang, self._texts = lang, _texts(lang)

    def __call__(self, name: str, **fields: Any) -> Markup:
        """A sentence, such as ``"decide.certified"``, with its fields filled in and escaped."""
        part, _, key = name.partition(".")
        return Markup(self._texts[part][key]).format(**fields)  # nosec # B704: the package's

    def part(self, name: str) -> Mapping[str, str]:
        """All sentences of a part."""
        found: Mapping[str, str] = self._texts[name]
        return found

    def percent(self, value: float | None, digits: int = 0) -> str:
        """A share for people."""
        if value is None or not math.isfinite(value):
            return DASH
        # 99.7 % of the answers are not all of them.
        near = 0 < abs(value) < 0.005 or 0.995 < value < 1
        shown = f"{100 * value:.{max(digits, int(near))}f}".replace("-", MINUS)
        return str(self._texts["percent"]).format(shown)


@cache
def _texts(lang: str) -> Mapping[str, Any]:
    path = resources.files("thermolang.evaluation").joinpath(f"poc.{lang}.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def write_page(results: Record, path: Path | str, *, lang: str = "en") -> Path:
    """Write the page; a reader of ``path`` sees the old file or the whole new one.

    Args:
        results: What ``poc.run_poc`` returned, or ``results.json`` holds.
        path: The HTML file.
        lang: ``"en"`` or ``"ja"``.

    Raises:
        InvalidInputError: Another language.
        MissingExtraError: Matplotlib is not installed.
        OSError: The file cannot be written.
    """
    target = Path(path)
    write_atomically(target, page(results, lang=lang))
    return target


def page(results: Record, *, lang: str = "en") -> str:
    """The page as HTML text; the same results give the same text."""
    texts = Texts(lang)
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    environment.filters |= {"number": _number, "money": _money, "seconds": _seconds}
    environment.globals |= {"t": texts, "pct": texts.percent, "span": partial(_span, texts)}
    template = resources.files("thermolang.evaluation").joinpath("poc.html.j2").read_text(encoding="utf-8")
    view = _view(results, texts)
    return environment.from_string(template).render(r=results, **view)


def decisions(results: Record, *, lang: str = "en") -> list[str]:
    """What to decide, as plain sentences."""
    texts = Texts(lang)
    return [sentence.striptags() for sentence in _decisions(results, texts, _chosen_row(results))]


def _view(results: Record, texts: Texts) -> dict[str, Any]:
    """What the template needs beyond the numbers: sentences that depend on them, and figures."""
    policy = _chosen_row(results)
    return {
        "model": results["model"].rstrip("/").rsplit("/", 1)[-1],
        "date": results["created"][:10],
        "gap": "" if texts.lang == "ja" else " ",
        "ours": OURS,
        "raw": RAW,
        "metric_names": [m for m in METRIC_NAMES if results["labelled"]],
        "compared": COMPARED,
        "higher": frozenset(m.name for m in METRICS.values() if m.higher_is_better),
        "tiles": list(_tiles(results, texts, policy)),
        "decisions": list(_decisions(results, texts, policy)),
        "limits": list(_limits(results, texts)),
        "method_names": {m["name"]: _method_name(m["name"], results, texts) for m in results.get("methods", ())},
        "beaten": _beaten(results, texts),
        "money_rows": list(_money_rows(results, texts)),
        "noisy": results["latency"]["overhead"]["upper"] - results["latency"]["overhead"]["lower"] > WIDE,
        "figures": {name: Markup(svg) for name, svg in _figures(results, texts).items()},  # nosec # B704: plots
    }


def _chosen_row(results: Record) -> Record | None:
    """The row of the table of thresholds that the policy uses; None if all answers go to review."""
    limit = results["decision"]["threshold"]
    return next((row for row in results["thresholds"] if limit is not None and row["threshold"] == limit), None)


def _tiles(results: Record, texts: Texts, row: Record | None) -> Any:
    """The few numbers at the top: (what it is, the number, what it rests on)."""
    counts, aim, latency = results["counts"], results["aim"], results["latency"]
    if results["labelled"]:
        share = results["accuracy"]
        note = texts("tile.accuracy_note", n=counts["labelled"], interval=_span(texts, share))
        yield texts("tile.accuracy"), texts.percent(share["estimate"]), note
        if row is None:
            yield texts("tile.auto"), texts.percent(0.0), texts("tile.auto_none")
        else:
            code, alpha = results["decision"]["code"], texts.percent(aim["max_error"], _digits(aim["max_error"]))
            promise = texts(f"tile.promise_{code}", alpha=alpha, certainty=texts.percent(aim["certainty"]))
            shown = texts("tile.auto_note", threshold=f"{row['threshold']:g}", review=texts.percent(row["review"]))
            yield texts("tile.auto"), texts.percent(1 - row["review"]), shown
            said = texts("tile.error_note", errors=row["errors"], accepted=row["accepted"], promise=promise)
            yield texts("tile.error"), texts.percent(row["error"]["estimate"] if row["error"] else None, 1), said
    elif results["expected_accuracy"]:
        yield texts("tile.expected"), texts.percent(results["expected_accuracy"]["mean"]), texts("tile.expected_note")
    interval = _span(texts, latency["overhead"], 1)
    note = texts("tile.latency_note", pairs=latency["pairs"], interval=interval)
    yield texts("tile.latency"), texts.percent(latency["overhead"]["estimate"], 1), note
    if row is not None and row.get("money"):
        saved = results["everyone_looks"]["cost"] - row["money"]["cost"]
        hours = _money(row["money"]["saved_hours"])
        yield texts("tile.saved"), _priced(saved, aim["prices"]), texts("tile.saved_note", hours=hours)


def _decisions(results: Record, texts: Texts, row: Record | None) -> Any:
    """The sentences on what to decide, the most important first."""
    decision, counts, aim = results["decision"], results["counts"], results["aim"]
    alpha = texts.percent(aim["max_error"], _digits(aim["max_error"]))
    code = decision["code"]
    if code == "expected" and decision["more_labels"] is None:
        code = "expected_enough"
    yield texts(
        f"decide.{code}",
        threshold=f"{decision['threshold']:g}" if row else "",
        auto=texts.percent(1 - row["review"]) if row else "",
        errors=row["errors"] if row else "",
        accepted=row["accepted"] if row else "",
        alpha=alpha,
        certainty=texts.percent(aim["certainty"]),
        more=_count(decision["more_labels"]),
        model=results["model"],
        wrong=texts.percent(1 - results["accuracy"]["estimate"]) if results["labelled"] else "",
        must=texts.percent(_asked(results)["must_review"]) if results["labelled"] else "",
        unlike=counts["unlike_training"],
        questions=counts["questions"],
        labelled=counts["labelled"],
    )
    if results["labelled"]:
        yield _verdict(results, texts)
        yield from _mended(results, texts)
        yield _ranking(results, texts)
    yield texts("decide.people", alpha=alpha)


def _asked(results: Record) -> Record:
    """The guarantees at the error that was asked for."""
    return next(g for g in results["guarantees"] if g["alpha"] == results["aim"]["max_error"])


def _verdict(results: Record, texts: Texts) -> Markup:
    """Whether the confidence is nearer the truth than the model's own."""
    before, after = (results["figures"][n]["Brier"] for n in (RAW, OURS))
    difference = results["differences"][RAW]["Brier"]
    said = "better" if difference["upper"] < 0 else "worse" if difference["lower"] > 0 else "same"
    return texts(
        f"decide.{said}",
        before=_number(before["estimate"]),
        after=_number(after["estimate"]),
        difference=_bracketed(difference, "+"),
        n=results["counts"]["compared"],
    )


def _mended(results: Record, texts: Texts) -> Iterator[Markup]:
    """What people's verdicts would make of a confidence that is further from the truth than the model's own."""
    known = [n for n in results["figures"] if n.startswith("verdicts_") and results["figures"][n]["Brier"]]
    if not known or results["differences"][RAW]["Brier"]["lower"] <= 0:
        return
    if results["differences"][known[0]]["Brier"]["lower"] > 0:
        after = _number(results["figures"][known[0]]["Brier"]["estimate"])
        yield texts("decide.mended", n=known[0].removeprefix("verdicts_"), after=after)


def _ranking(results: Record, texts: Texts) -> Markup:
    auroc = results["figures"][OURS]["AUROC"]
    if auroc is None:
        right = results["accuracy"]["estimate"] > 0.5
        return texts("decide.ranks_none", all=texts("decide.all_right" if right else "decide.all_wrong"))
    shown = f"{texts.percent(auroc['estimate'])} [{texts.percent(auroc['lower'])}, {texts.percent(auroc['upper'])}]"
    return texts("decide.ranks" if auroc["lower"] > 0.5 else "decide.ranks_not", auroc=shown)


def _limits(results: Record, texts: Texts) -> Any:
    """What the report cannot say, for these numbers."""
    counts, latency = results["counts"], results["latency"]
    if not results["labelled"]:
        yield texts("cannot.errors")
    same = texts("cannot.same", same=latency["same"], pairs=latency["pairs"])
    yield texts("cannot.better", same=same)
    yield texts("cannot.sample")
    yield texts("cannot.single")
    if counts["graded"] and not counts["choices"]:
        yield texts(
            "cannot.grader",
            graded=counts["graded"],
            grader=results["grader"],
            right=counts["graded_right"],
            other=counts["other_grader"],
            otherwise=counts["right_by_other"],
        )
    if results["labelled"] and counts["labelled"] < FEW:
        yield texts("cannot.few", n=counts["labelled"])
    yield texts("cannot.months")
    if results["labelled"]:
        yield texts("cannot.several")
    yield texts("cannot.latency")
    if counts["unlike_training"]:
        yield texts("cannot.unlike", unlike=counts["unlike_training"], questions=counts["questions"])
    if counts["without_confidence"]:
        missing = {"missing": counts["without_confidence"], "questions": counts["questions"]}
        yield texts("cannot.missing", why=counts["why_without"], **missing)
    if counts["outdated"]:
        yield texts("cannot.outdated", outdated=counts["outdated"])
    if results["aim"]["prices"]:
        yield texts("cannot.costs")
    yield texts("cannot.public")
    if results["warning"]:
        yield texts("cannot.warning", warning=results["warning"])


def _method_name(name: str, results: Record, texts: Texts) -> Markup:
    if name.startswith("verdicts_"):
        return texts("compare.verdicts", n=name.removeprefix("verdicts_"))
    chosen = "uncalibrated_choice" if name == RAW and results["counts"]["choices"] else name
    return texts(f"compare.{chosen}")


def _beaten(results: Record, texts: Texts) -> Markup:
    """Which methods are surely better than ours; those that use labels are named apart."""
    labels = {m["name"]: m["labels"] for m in results.get("methods", ())}
    better = [n for n, d in results.get("differences", {}).items() if d["Brier"] and d["Brier"]["lower"] > 0]
    if not better:
        return texts("compare.best")
    better.sort(key=lambda n: results["figures"][n]["Brier"]["estimate"])
    names = texts("compare.and").join(_method_name(n, results, texts) for n in better[:MOST_NAMED])
    if len(better) > MOST_NAMED:
        names = texts("compare.more", names=names, more=len(better) - MOST_NAMED)
    return texts("compare.beaten" if all(labels[n] for n in better) else "compare.beaten_free", names=names)


def _money_rows(results: Record, texts: Texts) -> Any:
    """Who looks at the answers, and what it costs; the least is marked."""
    if not results["aim"]["prices"]:
        return
    rows = [
        (texts("money.at", threshold=f"{r['threshold']:g}"), r["money"], r.get("money_at_most"))
        for r in results["thresholds"]
    ]
    if results["labelled"]:
        rows = [
            (texts("money.nobody"), results["nobody_looks"], None),
            *rows,
            (texts("money.everyone"), results["everyone_looks"], None),
        ]
    # Of several with the same cost, the one with the most reviews.
    least = min(reversed(range(len(rows))), key=lambda i: rows[i][1]["cost"])
    for i, (name, money, most) in enumerate(rows):
        yield {"name": name, "money": money, "most": most, "best": i == least}


def _figures(results: Record, texts: Texts) -> dict[str, str]:
    words, latency = texts.part("axis"), results["latency"]
    alpha = results["aim"]["max_error"] if results["labelled"] else None
    shown = texts.percent(alpha, _digits(alpha or 0.0))
    caption = texts("people.caption", alpha=shown) if alpha is not None else texts("people.caption_none")
    names = str(texts("latency.alone")), str(texts("latency.together"))
    found = {
        "trade_off": poc_plots.trade_off(results["thresholds"], alpha, words, key="trade", alt=str(caption)),
        "pairs": poc_plots.pairs(latency["points"], words, names, key="pairs", alt=str(texts("latency.caption"))),
        "histogram": poc_plots.histogram(
            results["confidences"], words, key="histogram", alt=str(texts("people.distribution_caption"))
        ),
    }
    if not results["labelled"]:
        return found
    called = words["confidence"], words["right"], words["items"]
    for name, label, look in (
        (RAW, texts("effect.before"), {"color": plots.BEFORE, "marker": "x"}),
        (OURS, texts("effect.after"), {"color": plots.AFTER, "marker": "o"}),
    ):
        bins = results["reliability"][name]
        found[name] = plots.reliability(bins, str(label), key=f"reliability-{name}", look=look, axes_called=called)
    rows = [
        (str(_method_name(m["name"], results, texts)), results["figures"][m["name"]]["Brier"])
        for m in results["methods"]
        if results["figures"][m["name"]]["Brier"]
    ]
    found["methods"] = poc_plots.methods(rows, 0, words, key="methods", alt=str(texts("compare.caption")))
    return found


def _span(texts: Texts, interval: Record | None, digits: int = 0) -> str:
    """An interval of a share."""
    if not interval:
        return DASH
    return f"{texts.percent(interval['lower'], digits)} {DASH} {texts.percent(interval['upper'], digits)}"


def _bracketed(interval: Record | None, sign: str = "") -> str:
    if not interval:
        return DASH
    middle, low, high = (_number(interval[end], sign) for end in ("estimate", "lower", "upper"))
    return f"{middle} [{low}, {high}]"


def _digits(share: float) -> int:
    """Decimals that a share in percent needs to be shown as it was given."""
    return 0 if abs(100 * share - round(100 * share)) < 1e-9 else 1


def _number(value: float | None, sign: str = "") -> str:
    if value is None or not math.isfinite(value):
        return DASH
    return f"{round(value, 3) + 0.0:{sign}.3f}".replace("-", MINUS)  # adding 0 makes a negative zero positive


def _money(value: float) -> str:
    return f"{value:,.0f}".replace("-", MINUS)


def _priced(value: float, prices: Record) -> str:
    return f"{_money(value)} {prices['currency']}".strip()


def _seconds(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def _count(value: int | None) -> str:
    return DASH if value is None else f"{value:,}"

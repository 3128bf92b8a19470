"""Figures say what the data say, stand beside each other in one page and never ask for anything from outside."""

import re
import sys
import xml.etree.ElementTree as ET

import pytest

from tests.evaluation.results import interval, make_results
from thermolang.errors import MissingExtraError
from thermolang.evaluation import plots

SETTING = make_results(tasks=7, methods=5)["settings"][0]
METHODS, TASKS = SETTING["methods"], SETTING["tasks"]
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '<script>alert("1")</script> & $\\frac{1}{2}$ \u6570\u5b66'

SAID = [{"text": f"Paris {HOSTILE}", "share": 0.75}, {"text": "", "share": 0.25}]


def dumbbell(tasks, key="k"):
    return plots.dumbbell(tasks, "uncalibrated", "thermolang", key=key)


DRAWN = {
    "reliability": lambda key: plots.reliability(SETTING["reliability"]["thermolang"], "thermolang", key=key),
    "dumbbell": lambda key: dumbbell(TASKS, key),
    "temperatures": lambda key: plots.temperatures(TASKS, key=key),
    "inputs_curve": lambda key: plots.inputs_curve(SETTING["inputs_curve"], key=key),
    "labels_curve": lambda key: plots.labels_curve(SETTING["labels_curve"], METHODS, key=key),
    "risk_coverage": lambda key: plots.risk_coverage(SETTING["risk_coverage"], METHODS, key=key),
    "meanings": lambda key: plots.meanings(SAID, f"Who? {HOSTILE}", right=True, key=key),
    "novelty_curve": lambda key: plots.novelty_curve(SETTING["novelty_curve"]["points"], "distance", key=key),
}


def ids(svg):
    return re.findall(r'\bid="([^"]+)"', svg)


def texts(svg):
    return ["".join(t.itertext()).strip() for t in ET.fromstring(svg).iter(f"{SVG}text")]


@pytest.fixture(scope="module")
def figures():
    return {name: draw(f"{name}-1") for name, draw in DRAWN.items()}


@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_is_an_image_with_a_text_alternative_and_real_text(figures, name):
    root = ET.fromstring(figures[name])
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    assert len(root.get("aria-label")) > 20
    assert len(texts(figures[name])) >= 4
    assert "DejaVu" not in figures[name]


@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_is_closed_in_itself(figures, name):
    svg = figures[name]
    own = ids(svg)
    assert len(own) == len(set(own)) > 3
    assert all(i.startswith(f"{name}-1") for i in own)
    pointed = re.findall(r'href="([^"]*)"', svg) + re.findall(r"url\(([^)]*)\)", svg)
    assert pointed
    assert {p.removeprefix("#") for p in pointed} <= set(own)
    assert "metadata" not in svg
    style = "".join(next(ET.fromstring(svg).iter(f"{SVG}style")).itertext())
    assert re.findall(r"([^{}]+)\{", style) == [f"#{name}-1 *"]  # it does not reach the rest of the page


@pytest.mark.parametrize("name", ["dumbbell", "labels_curve"])
def test_same_data_same_text_and_another_key_shares_no_id(figures, name):
    assert DRAWN[name](f"{name}-1") == figures[name]
    assert not set(ids(DRAWN[name]("other"))) & set(ids(figures[name]))


def test_the_users_own_style_does_not_reach_the_figures(figures):
    matplotlib = pytest.importorskip("matplotlib")
    own = {"text.color": "white", "font.size": 30.0, "axes.facecolor": "black"}
    with matplotlib.rc_context(own):
        assert DRAWN["inputs_curve"]("inputs_curve-1") == figures["inputs_curve"]
        assert {name: matplotlib.rcParams[name] for name in own} == own


def test_figures_leave_pyplot_alone(figures, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    assert DRAWN["novelty_curve"]("novelty_curve-1") == figures["novelty_curve"]


def task(name, before, after, main=True):
    return {"name": name, "main": main, "metrics": {"uncalibrated": {"NLL": before}, "thermolang": {"NLL": after}}}


def test_tasks_are_sorted_by_what_they_were_and_those_apart_stand_below():
    rows = [task("low", 1.0, 0.9), task("apart", 3.0, 2.0, main=False), task("high", 2.0, 1.5), task("none", None, 1.0)]
    names = [t for t in texts(dumbbell(rows)) if t in {"low", "apart", "high", "none"}]
    assert names == ["apart", "low", "high"]  # the axis counts from below


def test_a_task_that_got_worse_is_told_in_words_and_dashes():
    good, bad = dumbbell([task("a", 2.0, 1.0)]), dumbbell([task("a", 1.0, 2.0)])
    assert "less or the same in 1, more in 0" in good
    assert "less or the same in 0, more in 1" in bad
    # The legend has one dashed line; the other is the task's.
    assert (good.count("stroke-dasharray"), bad.count("stroke-dasharray")) == (1, 2)


def test_fifty_seven_tasks_get_a_line_each():
    svg = dumbbell([task(f"task {n}", 2 + n / 100, 1.5) for n in range(57)])
    height = float(ET.fromstring(svg).get("height").removesuffix("pt"))
    assert sum(t.startswith("task ") for t in texts(svg)) == 57
    assert height / 57 > 12  # points: more than the size of the letters


def test_the_reliability_diagram_says_where_confidence_is_furthest_off():
    bins = [
        {"lower": 0.4, "upper": 0.5, "count": 10, "confidence": 0.45, "accuracy": 0.5, "interval": [0.2, 0.8]},
        {"lower": 0.9, "upper": 1.0, "count": 2990, "confidence": 0.95, "accuracy": 0.6, "interval": [0.5, 0.7]},
    ]
    svg = plots.reliability(bins, "m", key="k")
    assert "2 bins, 3000 items" in svg
    assert "by 0.35, at confidence 0.95" in svg
    assert "3.0k" in texts(svg)


def test_the_temperatures_alternative_is_the_median_ratio():
    rows = [{"name": "t", "temperature": 2.0 * f, "oracle_temperature": 2.0} for f in (1.0, 1.5, 1 / 1.5, 3.0, 1 / 1.5)]
    unknown = [{"name": "u", "temperature": None, "oracle_temperature": 1.0}]
    svg = plots.temperatures(rows + unknown, key="k")
    assert "of 5 tasks" in svg
    assert "factor 1.50" in svg


def test_the_inputs_axis_has_room_for_zero():
    points = [{"inputs": n, "estimate": 0.1, "lower": 0.0, "upper": 0.2} for n in (0, 1, 100)]
    assert {"0", "1", "100"} <= set(texts(plots.inputs_curve(points, key="k")))
    assert "0 inputs 0.100, 1 inputs" in plots.inputs_curve(points, key="k")


def test_names_from_outside_are_text_and_nothing_else():
    row = {**TASKS[0], "name": HOSTILE}
    for svg in (
        dumbbell([row]),
        plots.reliability(SETTING["reliability"]["thermolang"], HOSTILE, key="k"),
        plots.novelty_curve([[1.0, 2.0, HOSTILE]], HOSTILE, key="k"),
        plots.risk_coverage({"m": SETTING["risk_coverage"]["thermolang"]}, [{"name": "m", "label": HOSTILE}], key="k"),
    ):
        root = ET.fromstring(svg)
        assert not list(root.iter(f"{SVG}script"))
        assert any(t.startswith("<script>alert(") for t in texts(svg))


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"thermolang\[eval\]"):
        DRAWN["novelty_curve"]("k")


def test_one_point_is_enough_for_every_figure():
    one, curve = interval(0.5, 0.1), {"coverage": [1.0], "risk": [0.3]}
    methods = [{"name": "m", "label": "method"}]
    assert "1 tasks" in dumbbell([task("a", 1.0, 1.0)])
    assert "of 1 tasks" in plots.temperatures([{"temperature": 1.0, "oracle_temperature": 1.0}], key="k")
    assert "10 inputs 0.500" in plots.inputs_curve([{"inputs": 10, **one}], key="k")
    assert "0.500 to 0.500" in plots.labels_curve({"m": [{"labels": 0, **one}]}, methods, key="k")
    assert "of method" in plots.risk_coverage({"m": curve}, methods, key="k")

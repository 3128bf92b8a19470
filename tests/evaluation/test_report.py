"""The report is one closed page that shows the results as they are, leaves out what is missing and trusts no text."""

import copy
import itertools
import re
from html.parser import HTMLParser

import pytest

from tests.evaluation.results import make_results
from thermolang.errors import InvalidInputError
from thermolang.evaluation import report
from thermolang.evaluation.report import markdown_tables, render, shown, write_report

VOID = {"meta", "link", "img", "br", "hr", "input", "base"}
LOADS = ("src", "srcset", "poster", "data", "action", "background")
HOSTILE = "<script>alert(1)</script>\"'&<img src=http://evil.example/x onerror=alert(2)>"


class Page(HTMLParser):
    """Elements with attributes and text; fails on tags that do not nest."""

    def __init__(self, text):
        super().__init__()
        self.elements, self._open = [], []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        element = {"tag": tag, "text": "", **dict(attrs)}
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.elements.append({"tag": tag, "text": "", **dict(attrs)})

    def handle_endtag(self, tag):
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop()["tag"] == tag

    def handle_data(self, data):
        for element in self._open:
            element["text"] += data

    def all(self, *tags):
        return [e for e in self.elements if e["tag"] in tags]

    def rows(self):
        return [" ".join(e["text"].split()) for e in self.all("tr")]


@pytest.fixture(scope="module")
def results():
    return make_results(settings=2, tasks=5, methods=3)


@pytest.fixture(scope="module")
def text(results):
    return render(results)


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def loads(page):
    """Whatever a browser would fetch from elsewhere."""
    found = [e[a] for e in page.elements for a in LOADS if a in e]
    found += [e["href"] for e in page.elements if not e.get("href", "#").startswith("#")]
    found += [e.get("xlink:href") for e in page.elements if not e.get("xlink:href", "#").startswith("#")]
    styles = " ".join([e["text"] for e in page.all("style")] + [e.get("style", "") for e in page.elements])
    return found + re.findall(r"@import[^;]*|url\((?!#)[^)]*\)", styles)


def test_the_page_loads_nothing(page):
    assert loads(page) == []
    assert page.all("script", "link", "iframe", "img", "object", "embed") == []
    (policy,) = [e for e in page.all("meta") if e.get("http-equiv") == "Content-Security-Policy"]
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"


def test_the_check_for_loads_can_fail():
    assert loads(Page('<a href="https://a.example">a</a><p style="background:url(https://b.example)"></p>')) == [
        "https://a.example",
        "url(https://b.example)",
    ]


def test_ids_are_unique_and_every_link_arrives(page):
    ids = [e["id"] for e in page.elements if "id" in e]
    assert len(ids) == len(set(ids)) > 50
    links = [e["href"] for e in page.all("a")]
    assert {"#checks", "#overview", "#setting-1", "#setting-2", "#reading"} <= set(links)
    assert {link.removeprefix("#") for link in links} <= set(ids)


def test_structure_for_readers_who_do_not_see(page):
    assert page.all("html")[0]["lang"] == "en"
    levels = [int(e["tag"][1]) for e in page.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert len(page.all("caption")) == len(page.all("table")) > 5
    assert all(e.get("scope") in {"col", "row", "rowgroup"} for e in page.all("th"))
    assert all(e["aria-label"] for e in page.all("svg"))


def test_every_row_of_a_table_is_as_wide_as_its_head(text):
    for table in re.findall(r"<table.*?</table>", text, re.S):
        rows = [sum(int(c.group(2) or 1) for c in re.finditer(r'<t[hd]\b([^>]*?colspan="(\d+)")?', row))
                for row in re.findall(r"<tr.*?</tr>", table, re.S)]  # fmt: skip
        assert len(set(rows)) == 1


def test_the_head_says_what_was_measured_and_how(page, results):
    header = " ".join(page.all("header")[0]["text"].split())
    for field in ("title", "version", "command", "machine"):
        assert results[field] in header
    assert page.all("title")[0]["text"] == results["title"]


def test_checks_are_told_in_words(page):
    rows = page.rows()
    assert any(r.startswith("closes at least 50 %") and r.endswith("✓ met") for r in rows)
    assert any(r.startswith("no task gets worse") and r.endswith("✗ missed") for r in rows)
    assert any(r.startswith("same share") and r.endswith("not measured") for r in rows)


def test_the_overview_has_before_after_and_the_share_closed(page, results):
    setting = results["settings"][0]
    figures, closed = setting["summaries"][0]["figures"], setting["gap"]["closed"]["thermolang"]
    (row,) = [r for r in page.rows() if r.startswith(setting["name"])]
    assert shown(figures["uncalibrated"]["NLL"]) in row
    assert row.index(shown(figures["uncalibrated"]["NLL"])) < row.index(shown(figures["thermolang"]["NLL"]))
    assert f"{100 * closed['estimate']:.0f} %" in row


def test_without_a_gap_no_share_is_shown():
    results = without_figures(make_results())
    results["settings"][0]["gap"]["exists"] = False
    page = Page(render(results))
    assert any(r.startswith(results["settings"][0]["name"]) and r.endswith("no gap") for r in page.rows())
    assert "There is no gap to close" in page.all("main")[0]["text"]
    assert sum("Gap closed" in row for row in page.rows()) == 1  # the head of the overview


def without_figures(results):
    for setting in results["settings"]:
        for part in (*FIGURES, "tasks"):
            setting.pop(part)
    return results


def figure(value):
    return {"estimate": value, "lower": value - 0.01, "upper": value + 0.01, "worst": value, "worst_task": "t"}


def small(figures, differences=None, **method):
    """Results with one setting: the figures by method, and whether each has seen labels."""
    methods = [{"name": n, "label": n.upper(), "labels": method.get(n, 0), "ours": n == "ours"} for n in figures]
    summary = {"name": "main", "title": "Main", "tasks": 3, "items": 30, "accuracy": 0.5, "figures": figures}
    summary["differences"] = differences or {}
    return {"settings": [{"name": "s", "methods": methods, "summaries": [summary]}]}


def bold(results):
    rows = re.findall(r"^\| (\w+) \| \w+ \| (.*) \|$", markdown_tables(results), re.M)
    return {name: [cell.startswith("**") for cell in cells.split(" | ")] for name, cells in rows if name != "method"}


def test_the_best_of_a_metric_is_bold_whichever_way_it_points():
    figures = {"a": {"NLL": figure(1.0), "AUROC": figure(0.6)}, "b": {"NLL": figure(1.2), "AUROC": figure(0.8)}}
    assert bold(small(figures)) == {"A": [True, False], "B": [False, True]}


def test_the_highest_brier_skill_is_the_best():
    figures = {"a": {"Brier skill": figure(0.2)}, "b": {"Brier skill": figure(-0.4)}}
    assert bold(small(figures)) == {"A": [True], "B": [False]}


def test_figures_that_read_the_same_are_both_best_and_a_missing_one_is_not():
    figures = {"a": {"NLL": figure(1.00001)}, "b": {"NLL": figure(1.0)}, "c": {"NLL": None}, "d": {"NLL": figure(1.1)}}
    assert bold(small(figures)) == {"A": [True], "B": [True], "C": [False], "D": [False]}


def test_methods_compete_only_with_those_that_have_seen_as_much():
    figures = {n: {"NLL": figure(v)} for n, v in [("a", 1.3), ("b", 1.2), ("l", 1.1), ("k", 1.0), ("oracle", 0.9)]}
    assert bold(small(figures, l=10, k=50)) == {"A": [False], "B": [True], "L": [False], "K": [True], "ORACLE": [False]}
    html = render(small(figures, l=10, k=50))
    assert [" ".join(e["text"].split()) for e in Page(html).all("b")] == [shown(figures[n]["NLL"]) for n in ("b", "k")]


def test_a_difference_is_called_better_or_worse_only_if_its_interval_leaves_out_zero():
    metrics = {m: figure(0.5) for m in ("NLL", "AUROC")}
    cases = {
        "a": {"NLL": (-0.3, -0.4, -0.2), "AUROC": (0.1, 0.05, 0.15)},
        "b": {"NLL": (0.3, 0.2, 0.4), "AUROC": (-0.1, -0.15, -0.05)},
        "c": {"NLL": (-0.1, -0.3, 0.1), "AUROC": (0.1, -0.1, 0.3)},
    }
    fields = ("estimate", "lower", "upper")
    differences = {n: {m: dict(zip(fields, v, strict=True)) for m, v in d.items()} for n, d in cases.items()}
    rows = Page(render(small(dict.fromkeys(cases, metrics), differences))).rows()
    found = {r[0]: re.findall("better|worse", r) for r in rows[-3:]}
    assert found == {"A": ["better", "better"], "B": ["worse", "worse"], "C": []}


def test_the_worst_task_stands_below_the_figure(page, results):
    worst = results["settings"][0]["summaries"][0]["figures"]["thermolang"]["NLL"]
    assert any(f"{worst['worst']:.3f} {worst['worst_task'].replace('_', ' ')}" in r for r in page.rows())


def test_every_task_is_listed(page, results):
    rows = page.rows()
    for task in results["settings"][0]["tasks"]:
        before, after = (task["metrics"][m]["NLL"] for m in ("uncalibrated", "thermolang"))
        (row,) = [r for r in rows if f"{before:.3f} → {after:.3f}" in r]
        assert row.startswith(task["name"].replace("_", " "))
        assert ("apart" in row) != task["main"]


FIGURES = ("reliability", "risk_coverage", "inputs_curve", "labels_curve", "novelty_curve")
PARTS = (*FIGURES, "gap", "interval", "tasks", "notes")


@pytest.mark.parametrize("empty", [None, "absent"])
def test_whatever_is_missing_is_left_out(empty, results):
    setting = copy.deepcopy(results["settings"][0])
    for part in PARTS:
        if empty is None:
            setting[part] = None
        else:
            setting.pop(part)
    page = Page(render({"settings": [setting]}))
    assert page.all("svg", "figure") == []
    assert page.all("caption")
    titles = {e["text"] for e in page.all("h3")}
    assert titles == {s["title"] for s in setting["summaries"]}


@pytest.mark.parametrize(
    "results", [{}, {"settings": [{}]}, {"settings": [], "checks": []}, {"checks": [{"target": "t"}]}]
)
def test_almost_nothing_is_still_a_page(results):
    page = Page(render(results))
    assert page.all("h1")[0]["text"] == "Evaluation"
    assert "None" not in page.all("body")[0]["text"]


@pytest.mark.parametrize("part", ["reliability", "labels_curve", "novelty_curve", "inputs_curve", "risk_coverage"])
def test_each_part_has_its_own_figure(part, results):
    setting = {k: results["settings"][0][k] for k in ("name", "methods", part)}
    assert Page(render({"settings": [setting]})).all("svg")


def test_text_from_outside_is_only_text(results):
    hostile = copy.deepcopy(results)
    hostile["settings"] = hostile["settings"][:1]
    setting = hostile["settings"][0]
    for record, fields in (
        (hostile, ("title", "version", "command", "machine", "created")),
        (setting, ("name", "model", "form", "layer", "kind", "protocol")),
        (setting["methods"][1], ("label", "description")),
        (setting["summaries"][0], ("title",)),
        (setting["tasks"][0], ("name",)),
        (setting["novelty_curve"], ("measure",)),
        (hostile["checks"][0], ("target", "seen")),
    ):
        record.update(dict.fromkeys(fields, HOSTILE))
    setting["notes"] = [HOSTILE]
    setting["summaries"][0]["figures"]["thermolang"]["NLL"]["worst_task"] = HOSTILE
    page = Page(render(hostile))
    assert page.all("script", "img") == []
    assert not [e for e in page.elements if "onerror" in e]
    assert loads(page) == []
    assert page.all("h1")[0]["text"] == HOSTILE
    assert "<script" not in markdown_tables(hostile)


def test_numbers_that_are_none_or_nan_are_a_dash():
    assert shown(None) == shown({"estimate": float("nan"), "lower": 0.0, "upper": 1.0}) == report.DASH
    assert shown({"estimate": -0.5, "lower": -0.75, "upper": 0.25}, "+") == "\u22120.500 [\u22120.750, +0.250]"
    figures = {"a": {"NLL": figure(float("nan"))}, "b": {"NLL": figure(1.0)}}
    assert "nan" not in Page(render(small(figures))).all("main")[0]["text"]


def test_markdown_tables_have_all_methods_and_even_rows(results):
    text = markdown_tables(results)
    assert text.count("### ") == 2
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert len(lines) == 2 * 2 * (2 + len(results["settings"][0]["methods"]))
    assert markdown_tables({}) == ""
    assert "| x \\| y |" in markdown_tables(small({"x | y": {"NLL": figure(1.0)}})).replace("X \\| Y", "x \\| y")


def test_an_md_file_gets_the_tables(tmp_path, results):
    written = write_report(results, tmp_path / "tables.md").read_text(encoding="utf-8")
    assert written == markdown_tables(results)


def test_a_report_is_written_whole_or_not_at_all(tmp_path, monkeypatch, results):
    target = tmp_path / "new" / "report.html"
    assert write_report({"title": "first"}, target) == target
    assert "first" in target.read_text(encoding="utf-8")
    monkeypatch.setattr(report.Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_report({"title": "second"}, target)
    assert "first" in target.read_text(encoding="utf-8")
    assert list(target.parent.iterdir()) == [target]


def test_same_results_same_page():
    results = {"settings": [{"novelty_curve": make_results()["settings"][0]["novelty_curve"]}]}
    assert render(copy.deepcopy(results)) == render(results)


def test_results_that_are_no_mapping_are_refused():
    with pytest.raises(InvalidInputError, match="not list"):
        render([])
    with pytest.raises(InvalidInputError, match="not str"):
        markdown_tables("{}")

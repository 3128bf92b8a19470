"""LangChain's standard tests on ChatThermolang and on ChatHuggingFace, asked the same: a table of what came out.

python benchmarks/standard_tests.py
"""

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
MODULES = {
    "ChatThermolang": ROOT / "tests" / "langchain" / "test_standard.py",
    "ChatHuggingFace": Path(__file__).parent / "standard_huggingface.py",
}
OUTCOMES = ("passed", "failed", "expected to fail", "skipped")
# The first one that stands in a test's name tells what it is about.
ABOUT = {
    "structured output": ("structured_output", "json_mode"),
    "tools": ("tool", "agent", "few_shot"),
    "plain answers": ("",),
}


def outcomes(module):
    """Outcome of each standard test, and the reason of those that did not pass."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", str(module), "-q", "-W", "default", f"--junitxml={report}"]
        subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
        cases = ElementTree.parse(report).getroot().iter("testcase")
        return {(case.get("classname").rsplit(".", 1)[-1], case.get("name")): outcome(case) for case in cases}


def outcome(case):
    skipped = case.find("skipped")
    if skipped is not None:
        kind = "expected to fail" if skipped.get("type") == "pytest.xfail" else "skipped"
        return kind, skipped.get("message", "")
    failed = case.find("failure") if case.find("failure") is not None else case.find("error")
    if failed is None:
        return "passed", ""
    return "failed", (failed.get("message", "").splitlines() or [""])[0][:90]


def about(name):
    return next(what for what, words in ABOUT.items() if any(word in name for word in words))


def show_counts(found):
    # Without the tests that we added.
    both = found["ChatThermolang"].keys() & found["ChatHuggingFace"].keys()
    print("| tests of | of | " + " | ".join(OUTCOMES) + " |\n|---|---|" + "---|" * len(OUTCOMES))
    for what in reversed(ABOUT):
        for model, tests in found.items():
            counts = Counter(tests[key][0] for key in both if about(key[1]) == what)
            print(f"| {what} | {model} | " + " | ".join(str(counts[kind]) for kind in OUTCOMES) + " |")


def show_reasons(model, kind, tests):
    print(f"\n| {kind} on {model} | why |\n|---|---|")
    for (_, name), (how, why) in tests.items():
        if how == kind:
            print(f"| {name} | {why.replace('|', '/')} |")


def main():
    found = {model: outcomes(module) for model, module in MODULES.items()}
    show_counts(found)
    for model, tests in found.items():
        for kind in OUTCOMES[1:]:
            show_reasons(model, kind, tests)


if __name__ == "__main__":
    main()

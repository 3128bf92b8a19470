"""LangChain's standard tests on ChatThermolang and, as far as they go, on ChatHuggingFace: a table of what came out.

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


def outcomes(module):
    """Outcome of each standard test, and the reason of those that were skipped."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", str(module), "-q", "-W", "default", f"--junitxml={report}"]
        subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
        cases = ElementTree.parse(report).getroot().iter("testcase")
        return {(case.get("classname").rsplit(".", 1)[-1], case.get("name")): outcome(case) for case in cases}


def outcome(case):
    skipped = case.find("skipped")
    if skipped is not None:
        return "skipped", skipped.get("message", "")
    failed = case.find("failure") if case.find("failure") is not None else case.find("error")
    if failed is None:
        return "passed", ""
    return "failed", failed.get("message", "").splitlines()[0][:90]


def main():
    found = {name: outcomes(module) for name, module in MODULES.items()}
    counts = {name: Counter(kind for kind, _ in tests.values()) for name, tests in found.items()}
    print("| | " + " | ".join(found) + " |\n|---|" + "---|" * len(found))
    for kind in ("passed", "failed", "skipped"):
        print(f"| {kind} | " + " | ".join(str(counts[name][kind]) for name in found) + " |")
    print("\n| failed on ChatHuggingFace | on ChatThermolang | why |\n|---|---|---|")
    for key, (kind, why) in found["ChatHuggingFace"].items():
        if kind == "failed":
            ours = found["ChatThermolang"].get(key, ("absent", ""))[0]
            print(f"| {key[1]} | {ours} | {why.replace('|', '/')} |")
    print("\n| skipped on ChatThermolang | tests |\n|---|---|")
    reasons = Counter(why for kind, why in found["ChatThermolang"].values() if kind == "skipped")
    for why, count in reasons.most_common():
        print(f"| {why} | {count} |")


if __name__ == "__main__":
    main()

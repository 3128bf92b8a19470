"""Start-up times: import, --help, model and calibrator. Prints a Markdown table; medians of several runs."""

import argparse
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass (the floor)": [sys.executable, "-c", "pass"],
    "import thermolang": [sys.executable, "-c", "import thermolang"],
    "thermolang --help": [sys.executable, "-m", "thermolang", "--help"],
}
LOADING = (
    "import time; from thermolang import LocalModel; t = time.perf_counter(); "
    "LocalModel.load('smollm2-135m'); print(time.perf_counter() - t)"
)


def seconds(command):
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def loading():
    out = subprocess.run([sys.executable, "-c", LOADING], check=True, capture_output=True, text=True).stdout
    return float(out.split()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    print("| | median s | all runs |\n|---|---|---|")
    for name, command in COMMANDS.items():
        report(name, [seconds(command) for _ in range(runs)])
    report("loading SmolLM2 (warm, without importing torch)", [loading() for _ in range(runs)])


def report(name, times):
    print(f"| {name} | {statistics.median(times):.2f} | {', '.join(f'{t:.2f}' for t in times)} |", flush=True)


if __name__ == "__main__":
    main()

"""Runs the benchmarks in turn while the minutes last, and writes run.json.

Command: python -m tests.benchmarks.all --minutes 20 [--folder saved_models/benchmarks]
[--names start_up backbones ...]

Ours and a peer's alternate inside a benchmark, and benchmarks alternate in rounds, so
that whatever else the machine does hits all of them. run.json holds, for each line that
a benchmark printed, the minimum and the median of its numbers over the rounds.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

from kmlic.atomic_write import atomic_write
from kmlic.run_folder import describe_environment

# A benchmark to the arguments that make it last a minute or two.
BENCHMARKS = {
    "start_up": ["--repeats", "1"],
    "average_precision": [],
    "semantic_guided_attention": [],
    "category_space_to_depth": [],
    "embedding_index": [],
    "runtimes": ["--backbone", "mobilenet_v2", "--seconds", "1"],
    "backbones": ["--names", "resnet50", "mobilenet_v2", "--steps", "2"],
    "msrn_memory": [],
}
# Not those that belong to a name, such as resnet50 or float32.
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:[.,]\d+)*(?:e[+-]?\d+)?(?![\w])")


def main():
    """Prints every benchmark's lines and writes the summary after each of them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--folder", type=Path, default=Path("saved_models/benchmarks"))
    parser.add_argument("--names", nargs="+", choices=BENCHMARKS, default=BENCHMARKS)
    options = parser.parse_args()
    end = time.monotonic() + 60 * options.minutes
    runs = {name: [] for name in options.names}
    while time.monotonic() < end:
        for name in options.names:
            left = end - time.monotonic()
            if left <= 0:
                break
            print(f"== {name}, {left / 60:.0f} minutes left", flush=True)
            text = run(name, left)
            print(text, flush=True)
            runs[name].append(text)
            write(options.folder, options.minutes, runs)


def run(name, seconds):
    """Returns what a benchmark prints, or why it ended early."""
    command = [sys.executable, "-m", f"tests.benchmarks.{name}", *BENCHMARKS[name]]
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds
        )
    except subprocess.TimeoutExpired as expired:
        return (expired.stdout or b"").decode() + "stopped: no time left"
    if result.returncode:
        return result.stdout + "failed: " + result.stderr.strip().splitlines()[-1]
    return result.stdout


def write(folder, minutes, runs):
    """Writes run.json: machine, versions and the summary of each benchmark."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "command": f"python -m tests.benchmarks.all --minutes {minutes:g}",
        "environment": describe_environment(),
        "benchmarks": {name: summarise(texts) for name, texts in runs.items()},
    }
    with atomic_write(folder / "run.json") as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")


def summarise(texts):
    """Returns the lines of all runs, # for numbers, with their minima and medians."""
    values = {}
    for text in texts:
        for line in filter(str.strip, text.splitlines()):
            numbers = [float(x.replace(",", "")) for x in _NUMBER.findall(line)]
            words = " ".join(_NUMBER.sub("#", line).split())
            values.setdefault((words, len(numbers)), []).append(numbers)
    return [
        {
            "line": words,
            "runs": len(rows),
            "minimum": [min(column) for column in zip(*rows, strict=True)],
            "median": [statistics.median(column) for column in zip(*rows, strict=True)],
        }
        for (words, _), rows in values.items()
    ]


if __name__ == "__main__":
    main()

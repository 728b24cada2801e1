"""Runs the benchmarks in turn while the minutes last, and writes run.json and a table.

Command: python -m tests.benchmarks.all --minutes 20 [--folder saved_models/benchmarks]
[--names start_up backbones ...]

Ours and a peer's alternate inside a benchmark, and benchmarks alternate in rounds, so
that whatever else the machine does hits all of them. Each runs in a process of its own
and may take what is left of the minutes; peers that are not installed are named and
left out. run.json holds, for each line that a benchmark printed, the minimum and the
median of its numbers over the rounds. saved_models/README.md quotes that of the default
folder between two markers, which `write_table` finds.
"""

import argparse
import collections
import contextlib
import importlib.util
import json
import os
import re
import shlex
import signal
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
    "predict_folder": ["--count", "400"],
    "backbones": [
        *("--names", "resnet50", "seresnext50_32x4d", "mobilenet_v2", "--steps", "2")
    ],
    "msrn": ["--repeats", "2"],
    "msrn_profile": [],
    "heads": ["--steps", "2"],
}
PEERS = ("torch", "timm", "onnxruntime", "openvino", "sklearn", "faiss")
FOLDER = Path("saved_models/benchmarks")
README = Path("saved_models/README.md")
START, END = "<!-- written by tests.benchmarks.all -->\n", "<!-- end -->\n"
# Not those that belong to a name, such as resnet50 or float32.
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:[.,]\d+)*(?:e[+-]?\d+)?(?![\w])")


def main():
    """Prints every benchmark's lines and writes the summary after each of them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--names", nargs="+", choices=BENCHMARKS, default=BENCHMARKS)
    options = parser.parse_args()
    absent = [peer for peer in PEERS if not importlib.util.find_spec(peer)]
    if absent:
        print(f"not installed, left out: {', '.join(absent)}", flush=True)
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
            write(options.folder, sys.argv[1:], runs, absent)
    if options.folder == FOLDER and (FOLDER / "run.json").exists():
        write_table(README, json.loads((FOLDER / "run.json").read_text()))


def run(name, seconds):
    """Returns what a benchmark prints, or why it ended early."""
    command = [sys.executable, "-m", f"tests.benchmarks.{name}", *BENCHMARKS[name]]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # with the processes that it starts
    )
    try:
        output, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        return output + "stopped: no time left"
    if process.returncode:
        last = (errors.strip() or f"status {process.returncode}").splitlines()[-1]
        return output + f"failed: {last}"
    return output


def write(folder, arguments, runs, absent=()):
    """Writes run.json: machine, versions and the summary of each benchmark."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "command": shlex.join(["python", "-m", "tests.benchmarks.all", *arguments]),
        "environment": describe_environment(),
        "absent_peers": list(absent),
        "benchmarks": {name: summarise(texts) for name, texts in runs.items()},
    }
    with atomic_write(folder / "run.json") as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")


def summarise(texts):
    """Returns the lines of all runs, # for numbers, with their minima and medians.

    Lines of one run that differ in numbers alone, such as its steps, stay apart.
    """
    values = {}
    for text in texts:
        counts = collections.Counter()
        for line in filter(str.strip, text.splitlines()):
            numbers = [float(x.replace(",", "")) for x in _NUMBER.findall(line)]
            words = " ".join(_NUMBER.sub("#", line).split())
            counts[words] += 1
            values.setdefault((words, counts[words]), []).append(numbers)
    return [
        {
            "line": words,
            "runs": len(rows),
            "minimum": [min(column) for column in zip(*rows, strict=True)],
            "median": [statistics.median(column) for column in zip(*rows, strict=True)],
        }
        for (words, _), rows in values.items()
    ]


def write_table(readme, run):
    """Replaces what stands between the markers of a document by a run's table."""
    before, _, rest = readme.read_text().partition(START)
    _, marker, after = rest.partition(END)
    if not marker:
        raise ValueError(f"{readme} must have the lines {START!r} and {END!r}.")
    with atomic_write(readme) as temporary:
        temporary.write_text(before + START + table(run) + END + after)


def table(run):
    """Returns a run as Markdown: its machine, and a row for each line with numbers.

    A line without numbers is the heading of those below it. Left out are lines that say
    where the time ended, and those that mix several lines of a round, as runs had them
    that did not keep these apart.
    """
    machine, date = run["environment"]["machine"], run["environment"]["date"][:10]
    lines = [
        f"`{run['command']}` on {date}, {machine['cores']} cores, "
        f"{machine['memory_gb']:g} GB: [run.json](benchmarks/run.json)."
    ]
    if run["absent_peers"]:
        lines[0] += f" Not installed, left out: {', '.join(run['absent_peers'])}."
    title = "medians of the rounds [minimum where it differs]"
    lines += ["", f"| benchmark | {title} | rounds |", "|---|---|---|"]
    for name, rows in run["benchmarks"].items():
        heading = name
        for row in rows:
            line, mixed = row["line"], row["runs"] > rows[0]["runs"]
            if mixed or line.startswith("stopped: "):
                continue
            if not row["median"] and not line.startswith("failed: "):
                heading = f"{name}: {line}"
                continue
            numbers = iter(map(_cell, row["median"], row["minimum"]))
            text = re.sub("#", lambda _, n=numbers: next(n), line)
            cells = heading, text, str(row["runs"])
            lines.append(f"| {' | '.join(x.replace('|', '/') for x in cells)} |")
    return "\n".join(lines) + "\n"


def _cell(median, minimum):
    shown, least = (
        f"{x:,.0f}" if abs(x) >= 1000 else f"{x:.4g}" for x in (median, minimum)
    )
    return shown if shown == least else f"{shown} [{least}]"


if __name__ == "__main__":
    main()

"""Seconds, CPU seconds and memory of commands, beside what they could cost at best.

Command: python -m tests.benchmarks.start_up [--run saved_models/mine] [--image a.jpg]
[--repeats 3]. All are started in turn; the best of the repeats counts. Without a run
only what needs none is measured.
"""

import argparse
import os
import subprocess
import sys
import time

PEERS = {
    "peer: import of TensorFlow and Keras": "import tensorflow, keras",
    "peer: import of ONNX Runtime": "import onnxruntime",
}


def main():
    """Prints a line per command."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--run")
    parser.add_argument("--image")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    commands = {name: ["-c", code] for name, code in PEERS.items()}
    commands["kmlic --help"] = ["-m", "kmlic.cli", "--help"]
    commands["kmlic predict, absent run"] = [
        *("-m", "kmlic.cli", "predict", "absent", "absent.jpg")
    ]
    commands["recipes.msrn --help"] = ["-m", "recipes.msrn", "--help"]
    commands["recipes.msrn --epochs=zero"] = ["-m", "recipes.msrn", "--epochs", "0"]
    if options.run and options.image:
        for runtime in ("auto", "onnx", "tflite", "openvino_float32", "keras"):
            commands[f"kmlic predict --runtime {runtime}"] = [
                *("-m", "kmlic.cli", "predict", options.run, options.image),
                *("--runtime", runtime),
            ]
    measured = {name: [] for name in commands}
    for _ in range(options.repeats):
        for name, command in commands.items():
            measured[name].append(measure([sys.executable, *command]))
    for name, runs in measured.items():
        seconds, cpu, megabytes, lines = (min(each) for each in zip(*runs, strict=True))
        print(
            f"{name:38} {seconds:6.2f} s {cpu:6.2f} CPU s {megabytes:5.0f} MB "
            f"{lines} lines of logs"
        )


def measure(command):
    """Returns seconds, CPU seconds, the peak memory in MB and lines of logs."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    logs = process.stderr.read()
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    seconds = time.perf_counter() - start
    lines = sum(b"0000 00:" in line for line in logs.splitlines())
    cpu = usage.ru_utime + usage.ru_stime
    return seconds, cpu, usage.ru_maxrss / 1000, lines


if __name__ == "__main__":
    main()

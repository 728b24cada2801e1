"""Trainings in processes of their own that are killed."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.training.survivor import STEPS

pytestmark = pytest.mark.slow
KILLS, EPOCHS = 20, 60
OPTIONS = ("--epochs", EPOCHS, "--dropout", 0.5, "--pause", 0.02)


STARTED = []


@pytest.fixture(autouse=True)
def _leave_no_process():
    yield
    for process in STARTED:
        if process.poll() is None:
            process.kill()
            process.communicate()
    STARTED.clear()


def start(folder, out, *options, **environment):
    command = [sys.executable, "-m", "tests.training.survivor", folder, out, *options]
    process = subprocess.Popen(
        [str(part) for part in command],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    STARTED.append(process)
    return process


def finish(*processes, timeout=300):
    for process in processes:
        output, _ = process.communicate(timeout=timeout)
        assert process.returncode == 0, output


def read(out):
    with np.load(out) as arrays:
        values = [arrays[f"arr_{index}"] for index in range(len(arrays.files) - 1)]
        return json.loads(str(arrays["epochs"])), values


def kill(folder, out, options, random):
    """Lets a training run for up to a second, kills it and gives the step it left."""
    begun = folder.with_name("begun")
    begun.unlink(missing_ok=True)
    process = start(folder, out, *options, SURVIVOR_BEGUN=str(begun))
    while not begun.exists():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    time.sleep(random.uniform(0, 1))
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    states = sorted(folder.glob("step-*.npz"))
    assert len(states) <= 3  # the newest two, and one that was about to be removed
    return int(states[-1].stem.split("-")[1])


def test_killed_twenty_times_ends_bit_for_bit_as_undisturbed(tmp_path):
    random = np.random.default_rng(int(os.environ.get("SURVIVAL_SEED", "0")))
    killed, alone = tmp_path / "killed", tmp_path / "alone"
    out, expected_out = tmp_path / "killed.npz", tmp_path / "alone.npz"
    steps = [kill(killed, out, OPTIONS, random) for _ in range(KILLS)]
    # Each time it went on from where it had been, and it did not end before.
    assert steps == sorted(steps)
    assert steps[0] > 0 and steps[-1] < EPOCHS * STEPS
    sys.stdout.write(f"killed after steps {steps} of {EPOCHS * STEPS}\n")
    finish(start(killed, out, *OPTIONS))
    finish(start(alone, expected_out, *OPTIONS))
    require_same(read(out), read(expected_out))
    left = [path.name for path in killed.iterdir()]
    assert len([name for name in left if name.startswith("step-")]) == 2
    assert not [name for name in left if name.endswith(".partial.npz")]


def require_same(trained, expected):
    assert len(trained[0]) == EPOCHS
    assert trained[0] == expected[0]
    for one, other in zip(trained[1], expected[1], strict=True):
        np.testing.assert_array_equal(one, other)


def start_workers(folder, outs, *options, kill_at=()):
    ports = []
    for _ in outs:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    return [
        start(
            folder,
            out,
            "--strategy",
            "multi_worker",
            *options,
            *(kill_at if index == 1 else ()),
            TF_CONFIG=json.dumps(
                {"cluster": cluster, "task": {"type": "worker", "index": index}}
            ),
        )
        for index, out in enumerate(outs)
    ]


def test_two_workers_train_like_one(tmp_path):
    outs = [tmp_path / f"worker{index}.npz" for index in range(2)]
    finish(start(tmp_path / "one", tmp_path / "one.npz"))
    finish(*start_workers(tmp_path / "two", outs))
    expected_epochs, expected = read(tmp_path / "one.npz")
    assert len(expected_epochs) == 2 and STEPS == 10
    differences = []
    for out in outs:
        epochs, values = read(out)
        for own, wanted in zip(epochs, expected_epochs, strict=True):
            assert own == pytest.approx(wanted, abs=1e-5)
        for one, other in zip(values, expected, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)
            if one.dtype.kind == "f":
                differences.append(float(np.abs(one - other).max()))
    sys.stdout.write(f"largest difference to one process {max(differences):.1e}\n")


def test_two_workers_go_on_after_the_death_of_one(tmp_path):
    outs = [tmp_path / f"worker{index}.npz" for index in range(2)]
    chief, worker = start_workers(tmp_path / "a", outs, kill_at=("--kill_at", "13"))
    worker.communicate(timeout=300)
    assert worker.returncode == -signal.SIGKILL
    begun = time.monotonic()
    output, _ = chief.communicate(timeout=300)
    seconds = time.monotonic() - begun
    sys.stdout.write(f"the chief ended {seconds:.0f} s later: {chief.returncode}\n")
    assert chief.returncode not in (0, None), output
    states = sorted(path.stem for path in (tmp_path / "a").glob("step-*"))
    assert states[-1] in ("step-000000012", "step-000000013")

    finish(*start_workers(tmp_path / "a", outs))
    finish(start(tmp_path / "one", tmp_path / "one.npz"))
    expected_epochs, expected = read(tmp_path / "one.npz")
    for out in outs:
        epochs, values = read(out)
        for own, wanted in zip(epochs, expected_epochs, strict=True):
            assert own == pytest.approx(wanted, abs=1e-5)
        for one, other in zip(values, expected, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)

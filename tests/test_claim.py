import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from kmlic.claim import Claim

# Claims a path, in another process, on a store with or without locks.
_SCRIPT = """
import errno, fcntl, os, pathlib, sys, time
from kmlic.claim import Claim
if sys.argv[2] != "0":
    def fail(*_):
        raise OSError(int(sys.argv[2]), "no locks")
    fcntl.flock = fail
with Claim(pathlib.Path(sys.argv[1])):
    print(os.getpid(), flush=True)
    sys.stdin.read()
"""


@pytest.fixture(params=[0, errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def error(request, monkeypatch):
    """The error of `flock`; 0 for none."""

    def fail(*_):
        raise OSError(request.param, "no locks")

    if request.param:
        monkeypatch.setattr(fcntl, "flock", fail)
    return request.param


def _start(path, error):
    return subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, path, str(error)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_one_process_at_a_time(tmp_path, error):
    path = tmp_path / "run"
    with Claim(path) as claim:
        assert claim.is_last
        with Claim(path):  # the same process
            assert not claim.is_last
        other = _start(path, error)
        message = other.communicate()[1]
        assert f"another process ({os.getpid()} on host" in message
        assert ("remove" in message) == bool(error)
    assert not list(tmp_path.iterdir())


def test_says_where_nothing_can_be_claimed(tmp_path):
    with pytest.raises(ValueError, match="no file can be created in /proc"):
        Claim(Path("/proc/run")).__enter__()
    with pytest.raises(ValueError, match="a name of at most 223 bytes"):
        Claim(tmp_path / ("x" * 250)).__enter__()


def test_a_killed_process_claims_nothing(tmp_path, error):
    path = tmp_path / "run"
    with _start(path, error) as other:
        process = int(other.stdout.readline())
        with (
            pytest.raises(ValueError, match=rf"another process \({process} on host"),
            Claim(path),
        ):
            pass
        os.kill(process, signal.SIGKILL)
        other.wait()
    assert len(list(tmp_path.iterdir())) == 1
    with Claim(path):
        pass
    assert not list(tmp_path.iterdir())


def test_the_claim_of_another_host_is_not_taken_over(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", fail)
    (tmp_path / ".run.lock.pid").write_text("1234567\nother-host\n")
    with (
        pytest.raises(ValueError, match=r"other-host\).* If it no longer runs, remove"),
        Claim(tmp_path / "run"),
    ):
        pass


def test_waits_for_another_process_and_says_so(tmp_path, error, caplog):
    path = tmp_path / "run"
    with _start(path, error) as other:
        other.stdout.readline()
        threading.Timer(0.3, other.stdin.close).start()
        with Claim(path, wait=True) as claim:
            assert claim.is_last
    assert "Waiting until it has ended." in caplog.text


@pytest.mark.parametrize("error", [0, errno.ENOLCK], indirect=True)
@pytest.mark.parametrize(("hours", "old"), [(23, False), (49, True)])
def test_an_old_lock_of_another_host_says_how_to_remove_it(tmp_path, error, hours, old):
    path = tmp_path / "run"
    with _start(path, error) as other:
        other.stdout.readline()
        (lock,) = tmp_path.iterdir()
        lock.write_text("1234567\nother-host\n")
        os.utime(lock, times=(time.time() - 3600 * hours,) * 2)
        with (
            pytest.raises(
                ValueError, match=r"\(1234567 on host other-host\)"
            ) as raised,
            Claim(path),
        ):
            pass
        message = str(raised.value)
        advice = f"Its lock is 49 hours old. If it no longer runs, remove {lock}."
        assert (advice in message) == old
        assert ("remove" in message) == (old or bool(error))
        assert lock.exists()
        other.communicate()

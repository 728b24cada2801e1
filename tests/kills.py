"""Kills a process before each of the changes that it makes to files."""

import itertools
import os
import signal
import sys
import traceback
import warnings

_EVENTS = ("open", "os.", "shutil.", "fcntl.", "ctypes.dlsym")


def kills(prepare, act):
    """Yields after each SIGKILL in `act(prepare())`, and once when it has ended.

    Both run in a fork, which is killed before the first, then the second, and so on, of
    Python's audit events of files: each call that opens, creates, renames, locks or
    removes something.
    """
    for number in itertools.count(1):
        killed = _fork(prepare, act, number) == -signal.SIGKILL
        yield number
        if not killed:
            return


def _fork(prepare, act, number):
    with warnings.catch_warnings():
        # Threads that other tests have started do not exist in the fork.
        warnings.simplefilter("ignore", DeprecationWarning)
        process = os.fork()
    if process == 0:
        status = 1
        try:
            os.fsync = lambda _: None  # a kill loses nothing that was written
            prepared = prepare()
            left = itertools.count(number - 1, -1)

            def hook(event, _):
                if event.startswith(_EVENTS) and next(left) == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(hook)
            act(prepared)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    assert status in (0, -signal.SIGKILL)
    return status

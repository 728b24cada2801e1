"""SIGTERM, by which a system asks a process to end."""

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

STOPPED = 143  # what a shell returns for a program ended by SIGTERM
_AGAIN = 0.05  # seconds


def _stop() -> NoReturn:
    raise SystemExit(STOPPED)


@contextlib.contextmanager
def on_sigterm(act: Callable[[], object] = _stop) -> Iterator[None]:
    """Calls a function on SIGTERM until the context ends.

    Without it SIGTERM ends a process as SIGKILL does: nothing is tidied up. Only the
    main thread may handle signals; in others the context does nothing.

    Python ignores what is raised while it runs a callback of the garbage collector, as
    JAX has one, or a `__del__`. A `SystemExit` of `act` that was ignored is raised
    again soon after.

    Args:
        act: called between two instructions of the main thread; raises `SystemExit`
            with status 143 by default.

    Example:
        >>> import signal
        >>> with on_sigterm(lambda: print("asked to end")):
        ...     signal.raise_signal(signal.SIGTERM)
        asked to end
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(*_: Any) -> None:
        act()

    def raise_again(ignored: "sys.UnraisableHookArgs") -> None:
        value = ignored.exc_value
        if not isinstance(value, SystemExit) or value.code != STOPPED:
            report(ignored)
            return
        # A thread could wait for a lock that the interrupted code holds.
        stack.callback(signal.signal, signal.SIGALRM, signal.getsignal(signal.SIGALRM))
        stack.callback(signal.setitimer, signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handle)
        signal.setitimer(signal.ITIMER_REAL, _AGAIN)

    with contextlib.ExitStack() as stack:
        stack.callback(
            signal.signal, signal.SIGTERM, signal.signal(signal.SIGTERM, handle)
        )
        report = sys.unraisablehook
        stack.callback(setattr, sys, "unraisablehook", report)
        sys.unraisablehook = raise_again
        yield

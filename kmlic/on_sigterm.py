"""SIGTERM, by which a system asks a process to end."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import NoReturn

STOPPED = 143  # what a shell returns for a program ended by SIGTERM


def _stop() -> NoReturn:
    raise SystemExit(STOPPED)


@contextlib.contextmanager
def on_sigterm(act: Callable[[], object] = _stop) -> Iterator[None]:
    """Calls a function on SIGTERM until the context ends.

    Without it SIGTERM ends a process as SIGKILL does: nothing is tidied up. Only the
    main thread may handle signals; in others the context does nothing.

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
    before = signal.signal(signal.SIGTERM, lambda *_: act())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

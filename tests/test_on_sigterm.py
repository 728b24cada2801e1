import signal
import threading

import pytest

from kmlic.on_sigterm import STOPPED, on_sigterm


def test_ends_as_an_error_does_so_that_everything_is_tidied_up():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as stopped, on_sigterm():
        signal.raise_signal(signal.SIGTERM)
    assert stopped.value.code == STOPPED == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_inner_of_two_acts():
    called = []
    with on_sigterm(), on_sigterm(lambda: called.append(1)):
        signal.raise_signal(signal.SIGTERM)
    assert called == [1]


def test_does_nothing_in_other_threads():
    def act():
        with on_sigterm():
            seen.append(signal.getsignal(signal.SIGTERM))

    seen = []
    thread = threading.Thread(target=act)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]

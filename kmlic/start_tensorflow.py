"""TensorFlow and Keras, imported without messages that are not for users."""

import contextlib
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

from kmlic.require_tensorflow import require_tensorflow

# What TensorFlow 2.21 and LiteRT write whatever TF_CPP_MIN_LOG_LEVEL is. Messages of
# drivers that are broken rather than absent are not among them.
_KNOWN = "|".join(
    (
        r"^WARNING: All log messages before absl::InitializeLog\(\) is called",
        r"^I\d{4} ",  # information, not warnings or errors
        r"^INFO: Created TensorFlow Lite XNNPACK delegate",
        r"^E\d{4} .* failed call to cuInit: .*UNKNOWN ERROR \(303\)",
        r"^E\d{4} .* oneDNN supports DT_UINT8 only on platforms with AVX-512",
        # Of images that are broken: TensorFlow's, then libjpeg's own.
        r"^E\d{4} .* (jpeg_mem|gif_io)\.cc:\d+\] ",
        r"^Corrupt JPEG data: ",
        r"^Premature end of JPEG file",
        r"^Invalid JPEG file structure: ",
        r"^Invalid (SOS|progressive) parameters ",
        r"^Invalid component ID \d+ in SOS",
        r"^Inconsistent progression sequence in component ",
        r"^Unsupported JPEG (process|data precision)",
        r"^Unsupported marker type 0x",
        r"^Bogus (Huffman table|marker length|sampling factors|D[AHQ][CT] )",
        r"^(Huffman|Quantization) table 0x.. was not defined",
        r"^Fractional sampling not implemented",
        r"^Warning: unknown JFIF revision number ",
        r"^Unknown Adobe color transform code ",
        r"^Improper call to JPEG library in state ",
        r"^Input file read error$",
    )
)
# A process of its own passes all other lines on, also if this one crashes.
_FILTER = """
import re, sys
known = re.compile(sys.argv[1].encode())
for line in sys.stdin.buffer:
    if not known.search(line):
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()
"""
_STDERR = 2
_LONGEST_WAIT = 2.0  # if a process that was started meanwhile keeps the pipe open

_lock = threading.Lock()
_started = False
_hiding = False


def start_tensorflow(configure: Callable[[], None] = lambda: None) -> None:
    """Imports TensorFlow and Keras once, and finds the devices of this machine.

    Args:
        configure: called before TensorFlow computes anything.

    Raises:
        ValueError: if Keras has another backend.

    Example:
        >>> start_tensorflow()
        >>> "tensorflow" in sys.modules
        True
    """
    global _started
    with _lock:
        if _started:
            configure()
            return
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        with hide_known_messages():
            import tensorflow as tf

            require_tensorflow("commands and recipes")

            # tensorflow-datasets warns of every dataset that is not prepared yet,
            # TensorFlow of every function that is traced for several shapes.
            for name in ("absl", "tensorflow"):
                logging.getLogger(name).setLevel(logging.ERROR)
            configure()
            with tf.device("CPU"):  # oneDNN reports at its first bytes
                tf.transpose(tf.zeros((1, 1, 1), tf.uint8), (2, 1, 0))
        _started = True


@contextlib.contextmanager
def hide_known_messages() -> Iterator[None]:
    """Hides the known messages that C++ code writes to standard error meanwhile.

    Inside another call it does nothing: the outer one hides them.

    Example:
        >>> with hide_known_messages():
        ...     _ = os.write(2, b"I0000 oneDNN custom operations are on.")
    """
    global _hiding
    # Closed at the start, its number may be another file's.
    if sys.stderr is None or _hiding:
        yield
        return
    sys.stderr.flush()
    try:
        original = os.dup(_STDERR)
    except OSError:  # there is no standard error
        yield
        return
    command = [sys.executable, "-I", "-S", "-c", _FILTER, _KNOWN]
    # Not as a context manager, which would wait for its end without a limit.
    passing = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for this process alone
    )
    if passing.stdin is not None:
        os.dup2(passing.stdin.fileno(), _STDERR)
        passing.stdin.close()
    _hiding = True
    try:
        yield
    finally:
        _hiding = False
        sys.stderr.flush()
        os.dup2(original, _STDERR)
        os.close(original)
        with contextlib.suppress(subprocess.TimeoutExpired):
            passing.wait(_LONGEST_WAIT)

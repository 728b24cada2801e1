import os
import subprocess
import sys
import threading
from unittest import mock

import pytest

from kmlic.start_tensorflow import hide_known_messages, start_tensorflow

LOG = b"I0000 00:00:1 9 port.cc:153] oneDNN custom operations are on.\n"


def run(code):
    """Runs Python with the messages that TensorFlow writes unless it is told not to."""
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_starts_tensorflow_without_a_message():
    code = """
from kmlic.start_tensorflow import start_tensorflow
start_tensorflow()
import tensorflow as tf
tf.transpose(tf.zeros((2, 2), tf.uint8))
"""
    result = run(code)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_configures_tensorflow_before_it_computes():
    code = """
import tensorflow as tf
from kmlic.start_tensorflow import start_tensorflow
def configure():
    tf.config.set_logical_device_configuration(  # an error once devices exist
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 2,
    )
start_tensorflow(configure)
print(len(tf.config.list_logical_devices("CPU")))
"""
    assert run(code).stdout.strip() == "2"


def test_calls_what_configures_once_more():
    calls = []
    start_tensorflow(lambda: calls.append(1))
    start_tensorflow(lambda: calls.append(2))
    assert calls == [1, 2]


def test_passes_every_other_line_and_restores_standard_error(capfd):
    with hide_known_messages():
        os.write(2, LOG + b"E0000 00:00:1 9 gpu.cc:1] out of memory\n" + LOG)
        os.write(2, b"E0000 00:00:1 9 jpeg_mem.cc:331] Premature end of JPEG data.\n")
        writer = threading.Thread(target=os.write, args=(2, b"from a thread\n"))
        writer.start()
        writer.join()
        subprocess.run("echo from a process >&2", shell=True, check=True)
        os.write(2, b"without an end")
    os.write(2, b"\n" + LOG)
    assert capfd.readouterr().err.encode() == (
        b"E0000 00:00:1 9 gpu.cc:1] out of memory\n"
        b"from a thread\nfrom a process\nwithout an end\n" + LOG
    )


@pytest.mark.parametrize(
    "line",
    [
        "Corrupt JPEG data: 3 extraneous bytes before marker 0xd9",
        "Invalid JPEG file structure: SOS before SOF",
        "Invalid SOS parameters for sequential JPEG",
        "Invalid progressive parameters Ss=0 Se=63 Ah=0 Al=14",
        "Invalid component ID 17 in SOS",
        "Unsupported JPEG process: SOF type 0xc9",
        "Unsupported marker type 0x10",
        "Bogus Huffman table definition",
        "Bogus DHT index 5",
        "Bogus DQT index 9",
        "Huffman table 0x04 was not defined",
        "Input file read error",
    ],
)
def test_hides_what_libjpeg_says_of_broken_images(line, capfd):
    with hide_known_messages():
        os.write(2, f"{line}\nOut of memory: {line}\n".encode())
    assert capfd.readouterr().err == f"Out of memory: {line}\n"


def test_one_call_inside_another_starts_no_second_process(capfd, monkeypatch):
    started = mock.Mock(side_effect=subprocess.Popen)
    monkeypatch.setattr(subprocess, "Popen", started)
    for _ in range(2):
        with hide_known_messages():
            with hide_known_messages():
                os.write(2, LOG)
            os.write(2, LOG + b"shown\n")
    assert started.call_count == 2
    assert capfd.readouterr().err == "shown\nshown\n"


def test_passes_the_last_words_of_a_crash():
    code = """
import os
from kmlic.start_tensorflow import hide_known_messages
with hide_known_messages():
    os.write(2, b"I0000 hidden\\nF0000 fatal\\n")
    os.abort()
"""
    result = run(code)
    assert result.returncode != 0
    assert result.stderr == "F0000 fatal\n"


def test_works_without_standard_error():
    code = """
import os
from kmlic.start_tensorflow import hide_known_messages
os.close(2)
with hide_known_messages():
    print("done")
"""
    assert run(code).stdout == "done\n"


def test_leaves_alone_what_took_the_number_of_standard_error():
    code = """
import sys
from kmlic.start_tensorflow import hide_known_messages
assert sys.stderr is None
with hide_known_messages():
    print("done")
"""
    command = ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "done\n"


def test_does_not_wait_for_a_process_that_keeps_standard_error():
    code = """
import subprocess, time
from kmlic.start_tensorflow import hide_known_messages
start = time.monotonic()
with hide_known_messages():
    other = subprocess.Popen(["sleep", "60"])
print(time.monotonic() - start)
other.kill()
"""
    assert float(run(code).stdout) < 30

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from kmlic.demo import DemoRun, build_demo
from kmlic.demo.serve_demo import _image, _readable
from kmlic.labels import Labels
from tests.predict.test_write_maps import _model as model_with_maps
from tests.predict.toys import write_broken, write_image, write_run

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("demo") / "run")


def scored(run, path):
    (row,) = run.predict([path])
    values = None if row.probabilities is None else row.probabilities.tolist()
    return {"path": str(path), "error": row.error, "values": values}


def test_shows_labels_by_thresholds_and_runs_side_by_side(folder, tmp_path):
    run = DemoRun(folder)
    each = scored(run, write_image(tmp_path / "<b>.png", (255, 255, 0)))
    text = _image({"one": run, "two": run}, {"one": each, "two": each}, {})
    assert text.count("class=present") == 4 and text.count("<table>") == 2
    assert "&lt;b&gt;.png" in text and "<b>.png" not in text
    moved = _image({"one": run}, {"one": each}, {"red": 1.0})
    assert moved.count("class=present") == 1 and "1.00" in moved


def test_says_why_an_image_is_broken_without_its_path(folder, tmp_path):
    run = DemoRun(folder)
    text = _image(
        {"one": run}, {"one": scored(run, next(iter(write_broken(tmp_path))))}, {}
    )
    assert str(tmp_path) not in text and "<table>" not in text


def test_exclusive_groups_have_no_threshold(tmp_path):
    names = ("red", "green", "blue")
    labels = Labels(names, {"colour": names}, image_size=8, exclusive=True)
    run = DemoRun(write_run(tmp_path / "run", labels))
    each = scored(run, write_image(tmp_path / "red.png", (255, 0, 0)))
    text = _image({"one": run}, {"one": each}, {})
    assert text.count("class=present") == 1 and "threshold" not in text


def test_shows_the_first_examples_that_can_be_read(folder, tmp_path, caplog):
    broken = write_broken(tmp_path)
    whole = [str(write_image(tmp_path / f"{i}.png", "red")) for i in range(13)]
    assert _readable([*broken, *whole], DemoRun(folder)) == whole[:12]
    (message,) = caplog.messages
    assert message.startswith("4 examples not shown: ") and "truncated.jpg" in message
    small = DemoRun(folder, max_pixels=10)
    assert _readable(whole, small) == []


def test_names_the_extra_that_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(ImportError, match=r"kmlic\[demo\]"):
        build_demo({})


@pytest.mark.slow
def test_prints_its_address_when_it_answers_and_nothing_else(folder, tmp_path):
    write_image(tmp_path / "yellow.png", (255, 255, 0))
    write_broken(tmp_path)
    port = _free_port()
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "kmlic.cli", "demo", folder),
            *("--port", str(port), "--examples", tmp_path),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"},
    )
    with server:
        try:
            address = f"http://127.0.0.1:{port}"
            assert server.stdout.readline() == f"{address} (Ctrl-C ends it)\n"
            with urllib.request.urlopen(address) as page:
                assert page.status == 200
            server.send_signal(signal.SIGINT)
            assert server.wait(60) == 0
            (warning,) = server.stderr.read().splitlines()
            assert warning.startswith("4 examples not shown: ")
        finally:
            server.kill()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_uploads_reads_labels_moves_a_threshold(tmp_path):
    playwright = pytest.importorskip("playwright.sync_api")
    folder = write_run(tmp_path / "run")
    model_with_maps().save(folder / "model.keras")
    port = _free_port()
    files = [
        write_image(tmp_path / "yellow.png", (255, 255, 0)),
        next(iter(write_broken(tmp_path))),
    ]
    server = subprocess.Popen(
        [sys.executable, "-m", "kmlic.cli", "demo", folder, "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port, server)
        with playwright.sync_playwright() as started:
            browser = started.chromium.launch(
                executable_path=CHROMIUM, args=["--no-sandbox"]
            )
            tab = browser.new_page()
            foreign = []
            tab.on("request", lambda request: foreign.append(request.url))
            tab.set_default_timeout(120_000)
            tab.goto(f"http://127.0.0.1:{port}")
            tab.wait_for_selector("input[type=file]", state="attached")
            tab.set_input_files("input[type=file]", list(map(str, files)))
            present = tab.locator("#predictions tr.present")
            present.nth(1).wait_for()
            assert sorted(present.locator("th").all_inner_texts()) == ["green", "red"]
            assert "truncated.jpg: it " in tab.locator("#predictions").inner_text()
            assert tab.locator(".kmlic-maps img").count() == 2
            # The first label is red: from 1 on it is not predicted any more.
            slider = tab.locator("#threshold input[type=range]")
            slider.focus()
            slider.press("End")
            tab.locator("#predictions tr.absent", has_text="red").wait_for()
            assert present.locator("th").all_inner_texts() == ["green"]
            browser.close()
        local = f"http://127.0.0.1:{port}"
        assert [url for url in foreign if not url.startswith((local, "data:"))] == []
        server.send_signal(signal.SIGINT)
        assert server.wait(60) == 0
    finally:
        server.kill()
        server.wait()


def _free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _wait_for(port, server):
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", port)),
        ):
            return
        assert server.poll() is None, "the demo ended"
        time.sleep(0.5)
    raise TimeoutError("the demo did not listen")

import os
import socket
import subprocess
import sys
import time
import zlib

import pytest

from kmlic import atomic_write as module
from kmlic.atomic_write import atomic_write, require_writable
from tests.kills import kills

_MARK = "model.xml"


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


def _write_folder(path, content):
    with atomic_write(path, folder_with=_MARK) as temporary:
        temporary.mkdir()
        (temporary / _MARK).write_text(content)
        (temporary / content).touch()


def test_an_error_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(OSError, match="disk full"), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise OSError("disk full")
    assert path.read_text() == "old"
    assert _names(tmp_path) == ["a.txt"]


def test_an_error_while_writing_leaves_no_new_folders(tmp_path):
    path = tmp_path / "new/folder/a.txt"
    with pytest.raises(OSError, match="disk full"), atomic_write(path):
        raise OSError("disk full")
    assert _names(tmp_path) == []


def test_a_folder_takes_the_place_of_a_folder(tmp_path):
    for content in ("old", "new"):
        _write_folder(tmp_path / "export", content)
    assert _names(tmp_path / "export") == [_MARK, "new"]
    assert _names(tmp_path) == ["export"]


def test_a_folder_takes_the_place_of_an_empty_one(tmp_path):
    (tmp_path / "export").mkdir()
    _write_folder(tmp_path / "export", "new")
    assert _names(tmp_path / "export") == [_MARK, "new"]


def test_a_folder_with_unlisted_files_is_left_as_it_is(tmp_path):
    folder = tmp_path / "maps"

    def write(name):
        options = {"folder_with": "maps.csv", "column": "map"}
        with atomic_write(folder, **options) as temporary:
            temporary.mkdir()
            (temporary / "maps.csv").write_text(f"map,label\n{name},a\n")
            (temporary / name).touch()

    write("1.jpg")
    write("2.jpg")
    assert _names(folder) == ["2.jpg", "maps.csv"]
    (folder / "holiday.jpg").touch()
    (folder / "notes").mkdir()
    rule = r"it also holds holiday\.jpg and 1 more\. Move that away, or"
    with pytest.raises(ValueError, match=rule):
        write("3.jpg")
    assert _names(folder) == ["2.jpg", "holiday.jpg", "maps.csv", "notes"]
    (folder / "holiday.jpg").unlink()
    (folder / "notes").rmdir()
    for corrupt in (b"", b"map\n", b"label\n2.jpg\n", b"\xff", b'map\n"2.jpg'):
        (folder / "maps.csv").write_bytes(corrupt)
        if b'"' not in corrupt:  # an open quote still lists the file
            with pytest.raises(ValueError, match=r"it also holds 2\.jpg\. Move"):
                write("3.jpg")
    write("3.jpg")
    assert _names(folder) == ["3.jpg", "maps.csv"]


def test_a_file_never_replaces_a_folder(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "link").symlink_to("photos")
    for name in ("photos", "link"):
        with (
            pytest.raises(ValueError, match=rf"{name} must be a file .* is a folder"),
            atomic_write(tmp_path / name) as temporary,
        ):
            temporary.write_text("report")
    assert _names(tmp_path) == ["link", "photos"]


def test_a_folder_never_replaces_a_file_or_a_foreign_folder(tmp_path):
    (tmp_path / "file").write_text("kept")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/1.jpg").touch()
    with pytest.raises(
        ValueError, match=r"new, empty or has a model.xml; it is a file\."
    ):
        _write_folder(tmp_path / "file", "new")
    with pytest.raises(ValueError, match="it is a folder with other files"):
        _write_folder(tmp_path / "photos", "new")
    assert (tmp_path / "file").read_text() == "kept"
    assert _names(tmp_path / "photos") == ["1.jpg"]


def test_a_folder_that_appears_while_another_is_written_stays(tmp_path):
    path = tmp_path / "export"
    with (
        pytest.raises(ValueError, match="it is a folder with other files"),
        atomic_write(path, folder_with=_MARK) as temporary,
    ):
        temporary.mkdir()
        path.mkdir()
        (path / "mine").touch()
    assert _names(path) == ["mine"]


def test_what_a_link_refers_to_is_replaced(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link.txt").symlink_to("disk/a.txt")
    for text in ("old", "new"):
        with atomic_write(tmp_path / "link.txt") as temporary:
            temporary.write_text(text)
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "disk/a.txt").read_text() == "new"


def test_says_where_nothing_can_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="file is not a folder"):
        require_writable(tmp_path / "file/report.html")
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(ValueError, match="neither a file nor a folder"):
        require_writable(tmp_path / "pipe.csv")
    with pytest.raises(ValueError, match=r"file must not be a file that is read"):
        require_writable(tmp_path / "file", inputs=(None, tmp_path / "file"))
    require_writable(tmp_path / "a.csv", suffixes=(".csv", ".jsonl"))
    (tmp_path / "link.html").symlink_to("photo.jpg")
    for name in ("photo.jpg", "link.html"):
        with pytest.raises(ValueError, match=rf"{name} must end with \.html\."):
            require_writable(tmp_path / name, suffixes=(".html",))
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ValueError, match="no permission to write in"):
        require_writable(tmp_path / "a/b.csv")
    assert _names(tmp_path) == ["file", "link.html", "pipe.csv"]


def test_says_what_no_file_can_be_created_beside(tmp_path):
    with pytest.raises(ValueError, match=r"no file can be created in /proc \(No such"):
        require_writable("/proc/kmlic/run", folder_with="run.json")
    longest = tmp_path / ("é" * 111)
    require_writable(longest)
    with atomic_write(longest) as temporary:
        temporary.touch()
    with pytest.raises(ValueError, match="at most 223 bytes; it has 224"):
        require_writable(tmp_path / ("é" * 112))


def test_what_killed_processes_left_is_removed(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        capture_output=True,
        check=True,
    )
    here, elsewhere = (
        f"{zlib.crc32(host.encode()):08x}" for host in (socket.gethostname(), "other")
    )
    dead, running = int(ended.stdout), os.getppid()
    kept = [
        f".a.{here}-{running}.partial.csv",
        f".a.{elsewhere}-{dead}.partial.csv",
        ".a.1.partial.csv",
    ]
    for name in (*kept, f".a.{here}-{dead}.partial.csv"):
        (tmp_path / name).touch()
    (tmp_path / f".export.{here}-{dead}.partial/1").mkdir(parents=True)
    with atomic_write(tmp_path / "b.csv") as temporary:
        temporary.touch()
    assert _names(tmp_path) == sorted([*kept, "b.csv"])


@pytest.mark.parametrize("exchange", [True, False])
def test_a_kill_at_any_point_leaves_one_folder_that_is_complete(
    tmp_path, monkeypatch, exchange
):
    if not exchange:
        monkeypatch.setattr(module, "_exchange", lambda *_: False)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    path = tmp_path / "export"
    _write_folder(path, "old")
    for _ in kills(lambda: path, lambda path: _write_folder(path, "new")):
        if exchange:  # at every moment
            assert (path / (path / _MARK).read_text()).exists()
        module.recover(path)
        content = (path / _MARK).read_text()
        assert content in ("old", "new")
        assert _names(path) == sorted([_MARK, content])
        _write_folder(path, "old")
        assert _names(tmp_path) == ["export"]
    assert content == "new"


@pytest.mark.parametrize(("hours", "old"), [(23, False), (49, True)])
def test_warns_once_of_what_another_machine_left(tmp_path, caplog, hours, old):
    left = tmp_path / ".rows.0badc0de-7.partial.csv"
    left.touch()
    os.utime(left, times=(time.time() - 3600 * hours,) * 2)
    for _ in range(2):
        with atomic_write(tmp_path / "rows.csv") as temporary:
            temporary.touch()
    assert left.exists()
    text = f"began to write {str(left)!r} 49 hours ago. If it no longer does, remove"
    assert caplog.text.count(text) == caplog.text.count("WARNING") == old

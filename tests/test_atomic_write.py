import pytest

from kmlic.atomic_write import atomic_write


def test_an_error_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(OSError, match="disk full"), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise OSError("disk full")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_takes_the_place_of_a_folder(tmp_path):
    for content in ("old", "new"):
        with atomic_write(tmp_path / "export") as temporary:
            temporary.mkdir()
            (temporary / content).touch()
    assert [p.name for p in (tmp_path / "export").iterdir()] == ["new"]
    assert [p.name for p in tmp_path.iterdir()] == ["export"]

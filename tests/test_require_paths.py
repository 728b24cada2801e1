import os

import pytest

from kmlic.require_paths import require_paths


def test_refuses_a_path_that_does_not_exist(tmp_path):
    require_paths(None, tmp_path, "s3://bucket/a.csv")
    with pytest.raises(ValueError, match=r"a\.csv must exist; there is no such file"):
        require_paths(tmp_path, tmp_path / "a.csv")


def test_refuses_an_empty_path():
    with pytest.raises(ValueError, match="must name a file or folder; got an empty"):
        require_paths(None, "")


def test_refuses_what_is_neither_a_file_nor_a_folder(tmp_path):
    os.mkfifo(tmp_path / "a.csv")
    with pytest.raises(
        ValueError, match=r"a\.csv must be a file or folder; it is a nam"
    ):
        require_paths(tmp_path / "a.csv")
    with pytest.raises(ValueError, match=r"/dev/null must be .*; it is a device"):
        require_paths("/dev/null")

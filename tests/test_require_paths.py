import pytest

from kmlic.require_paths import require_paths


def test_refuses_a_path_that_does_not_exist(tmp_path):
    require_paths(None, "", tmp_path, "s3://bucket/a.csv")
    with pytest.raises(ValueError, match=r"a\.csv must exist; there is no such file"):
        require_paths(tmp_path, tmp_path / "a.csv")

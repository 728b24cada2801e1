import pytest

from kmlic.data.read_json import read_json


def test_reads_a_file_with_a_mark_of_its_encoding(tmp_path):
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(tmp_path / "a.json") == {"a": 1}


@pytest.mark.parametrize("text", [b"{", b"\xff", b"[" * 100_000, b""])
def test_names_the_file_that_is_no_json(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=r"a\.json must be a JSON file; got"):
        read_json(path)
    with pytest.raises(ValueError, match="there is no such file"):
        read_json(tmp_path / "gone.json")

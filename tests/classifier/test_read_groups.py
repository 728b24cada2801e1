import pytest

from kmlic.classifier.read_groups import read_groups


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "must be JSON of group names"), ("{}", "at least one group; it is empty")],
)
def test_says_what_is_wrong_with_a_file(tmp_path, text, message):
    path = tmp_path / "groups.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_groups(path)
    path.write_text('{"size": ["small", "large"]}')
    assert read_groups(path) == {"size": ("small", "large")}

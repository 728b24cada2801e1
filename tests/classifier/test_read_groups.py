import re

import pytest

from kmlic.classifier.read_groups import read_groups


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "got an empty file."),
        (b"size: small,\n large", "got size: small, large."),
        (b"\xff\xfe{", "got "),
        (b'["small", "large"]', 'got ["small", "large"].'),
        (b'{"size": "small"}', 'got {"size": "small"}.'),
        (b'{"size": [["small"]]}', 'got {"size": [["small"]]}.'),
        (b'{"size": ["' + b"s" * 40 + b'"]', "sss...."),
        (b"{}", "must name at least one group; it is empty"),
    ],
)
def test_says_what_is_wrong_with_a_file(tmp_path, content, message):
    path = tmp_path / "groups.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        read_groups(path)
    assert ("must be JSON of group names" in str(caught.value)) == (content != b"{}")


def test_reads_groups(tmp_path):
    path = tmp_path / "groups.json"
    path.write_text('{"size": ["small", "large"], "doors": [2, 4]}')
    assert read_groups(path) == {"size": ("small", "large"), "doors": ("2", "4")}

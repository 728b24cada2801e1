import json

import pytest

from kmlic.data import ReadingOptions
from kmlic.data.read_json_lines import read_json_lines


def read(tmp_path, text, **options):
    path = tmp_path / "metadata.jsonl"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_json_lines(path, ReadingOptions(**options))


def test_reads_an_object_per_line_or_a_list_of_them(tmp_path):
    objects = [
        {"file_name": "1.jpg", "labels": ["cat", "tie dye"]},
        {"labels": "dog", "file_name": "2.jpg"},
        {"file_name": "3.jpg", "other": {"x": 1}},
    ]
    lines = "\n\n".join(map(json.dumps, objects))
    for text in (lines, json.dumps(objects, indent=1)):
        rows = read(tmp_path, text).rows
        assert [row.labels for row in rows] == [("cat", "tie dye"), ("dog",), ()]
    assert [row.row for row in read(tmp_path, lines).rows] == [1, 3, 5]


def test_keys_may_be_labels(tmp_path):
    lines = '{"image": "1.jpg", "dog": true, "cat": 0}\n{"image": "2.jpg", "cat": 1}'
    first, second = read(tmp_path, lines).rows
    assert (first.labels, first.unknown) == (("dog",), ())
    assert (second.labels, second.unknown) == (("cat",), ("dog",))


def test_labels_may_be_an_object_of_marks(tmp_path):
    lines = (
        '{"file_name": "1.jpg", "labels": {"cat": 1, "dog": 0, "owl": null}}\n'
        '{"file_name": "2.jpg", "labels": {"cat": false, "owl": true}}\n'
        '{"file_name": "3.jpg", "labels": {"cat": -1, "dog": 0, "owl": 0}}\n'
    )
    rows = read(tmp_path, lines).rows
    assert [row.labels for row in rows] == [("cat",), ("owl",), ()]
    assert [row.unknown for row in rows] == [("owl",), ("dog",), ("cat",)]
    rows = read(tmp_path, lines, blank="absent").rows
    assert [row.unknown for row in rows] == [(), (), ("cat",)]


def test_a_label_may_occur_first_behind_very_many_rows(tmp_path):
    lines = [f'{{"image": "{i}.jpg", "cat": {i % 2}}}' for i in range(3000)]
    lines.append('{"image": "last.jpg", "cat": 0, "dog": 1}')
    listing = read(tmp_path, "\n".join(lines))
    assert listing.label_names == ("cat", "dog")
    assert listing.rows[-1].labels == ("dog",)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (
            '{"path": "1.jpg", "labels": []}\n{"path"',
            r"row 2: must be a JSON object; got Expecting ':' delimiter\.$",
        ),
        (
            '{"path": "1.jpg", "labels": []}\n[1]',
            "row 2: must be a JSON object; got a list",
        ),
        ("[1]", "row 1: must be a JSON object; got a int"),
        (b'{"path": "1.jpg"}\n{"\xff"}', "byte 20 in row 2 is not"),
        ('{"a": 1}', "a column must name the images"),
        (
            '[{"image_id": 1, "category_id": 2, "score": 0.5}]',
            "holds results of a detector in COCO's format",
        ),
    ],
)
def test_names_the_row_that_is_no_object(tmp_path, text, rule):
    with pytest.raises(ValueError, match=rule) as error:
        read(tmp_path, text)
    assert "metadata.jsonl" in str(error.value)

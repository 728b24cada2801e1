import pytest

from kmlic.data import ReadingOptions, from_csv
from tests.data.files import write_dataset

SIZES = {"image_size": 16, "batch_size": 4}


def test_reads_any_name_as_a_table(tmp_path):
    path = write_dataset(tmp_path).rename(tmp_path / "labels.data")
    assert from_csv(path, **SIZES).labels.names == ("a", "b", "c")


def test_another_layout_is_not_taken(tmp_path):
    (tmp_path / "a.json").write_text('{"images": []}')
    with pytest.raises(ValueError, match="a column must name the images"):
        from_csv(tmp_path / "a.json", ReadingOptions(layout="coco"), **SIZES)

import pytest

from kmlic.data import ReadingOptions, from_folder
from tests.data.files import encode, picture

SIZES = {"image_size": 16, "batch_size": 4}


def test_folders_are_the_default_and_tags_the_other_layout(tmp_path):
    for row in range(20):
        path = tmp_path / ("cat", "dog")[row % 2] / f"{row}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode(picture(seed=row), "PNG"))
        path.with_suffix(".txt").write_text(("owl", "sofa")[row // 2 % 2])
    assert from_folder(tmp_path, **SIZES).labels.names == ("cat", "dog")
    tags = from_folder(tmp_path, ReadingOptions(layout="tags"), **SIZES)
    assert tags.labels.names == ("owl", "sofa")
    with pytest.raises(ValueError, match="layout='voc'"):
        from_folder(tmp_path, ReadingOptions(layout="voc"), **SIZES)

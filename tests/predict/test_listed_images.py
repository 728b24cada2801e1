import pytest

from kmlic.data.reading_options import ReadingOptions
from kmlic.predict.listed_images import listed_images


def test_files_of_labels_stand_for_their_images(tmp_path):
    (tmp_path / "1.jpg").touch()
    (tmp_path / "rows.CSV").write_text("image_id;tags\n1;dog\n")
    found = listed_images(["a.jpg", str(tmp_path / "rows.CSV"), "b"], ReadingOptions())
    assert found == ["a.jpg", str(tmp_path / "1.jpg"), "b"]


def test_names_the_row_that_is_wrong(tmp_path):
    (tmp_path / "rows.csv").write_text("path,labels\n1.jpg,dog\n2.jpg,a,b\n")
    with pytest.raises(ValueError, match=r"rows\.csv row 3: a row must have 2 cells"):
        listed_images([str(tmp_path / "rows.csv")], ReadingOptions())


def test_names_the_file_that_lists_no_image(tmp_path):
    (tmp_path / "rows.csv").write_text("path,labels\n")
    with pytest.raises(ValueError, match=r"rows\.csv must list at least one image"):
        listed_images([str(tmp_path / "rows.csv")], ReadingOptions())

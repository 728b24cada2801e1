import json

import pytest

from kmlic.data import read_listing
from kmlic.data.reading_options import ReadingOptions
from tests.data.files import encode, picture, write_dataset


def put(path, content=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content or encode(picture(), "PNG"))


def test_tells_a_table_by_its_being_a_file(tmp_path):
    listing = read_listing(write_dataset(tmp_path, 6))
    assert len(listing.rows) == 6 and listing.root == str(tmp_path)
    assert listing.rows[0].labels == ("a", "b", "c")


@pytest.mark.parametrize("options", [{}, {"layout": "csv"}])
def test_names_the_file_that_a_folder_is_read_by(tmp_path, options):
    write_dataset(tmp_path, 6)
    whole = read_listing(tmp_path, ReadingOptions(**options)).summary
    table = read_listing(tmp_path / "labels.csv", ReadingOptions(**options)).summary
    assert whole == f"labels.csv: {table}"
    (tmp_path / "labels.csv").rename(tmp_path / "tags of photos.csv")
    (tmp_path / "images").mkdir()
    for image in tmp_path.glob("*.png"):
        image.rename(tmp_path / "images" / image.name)
    whole = read_listing(tmp_path, ReadingOptions(**options)).summary
    assert whole == f"tags of photos.csv: {table}"


def test_tells_coco_by_its_suffix(tmp_path):
    path = tmp_path / "instances.json"
    content = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "categories": [{"id": 2, "name": "dog"}, {"id": 1, "name": "cat"}],
        "annotations": [{"image_id": 1, "category_id": 2}],
    }
    path.write_text(json.dumps(content))
    listing = read_listing(path, ReadingOptions(root=str(tmp_path / "images")))
    assert listing.rows[0].labels == ("dog",)
    assert listing.summary.startswith("COCO: 1 annotation (")
    assert list(listing.label_names) == ["dog"]
    unused = listing.findings[0]
    assert unused.title == "Categories that no annotation has"
    assert unused.rows == [["cat"]]


def test_tells_voc_by_its_folder(tmp_path):
    text = (
        "<annotation><filename>a.png</filename><object><name>dog</name>"
        "<difficult>1</difficult></object></annotation>"
    )
    put(tmp_path / "Annotations" / "a.xml", text.encode())
    assert read_listing(tmp_path).rows[0].unknown == ("dog",)
    assert "VOC: 1 XML file in" in read_listing(tmp_path).summary
    assert read_listing(tmp_path, ReadingOptions(difficult="present")).rows[
        0
    ].labels == ("dog",)


def test_tells_tags_from_folders_by_the_text_beside_the_first_image(tmp_path):
    put(tmp_path / "dog" / "a.png")
    (tmp_path / "dog" / "notes.txt").write_text("nothing of the kind")
    assert read_listing(tmp_path).rows[0].labels == ("dog",)
    (tmp_path / "dog" / "a.txt").write_text("cat, owl")
    assert read_listing(tmp_path).rows[0].labels == ("cat", "owl")
    assert read_listing(tmp_path, ReadingOptions(layout="folders")).rows[0].labels == (
        "dog",
    )


def test_says_what_does_not_fit(tmp_path):
    with pytest.raises(ValueError, match="layout='xml'"):
        read_listing(tmp_path, ReadingOptions(layout="xml"))
    with pytest.raises(ValueError, match="root='images' for the layout 'folders'"):
        read_listing(tmp_path, ReadingOptions(root="images"))
    with pytest.raises(ValueError, match="must be a file or folder; there is none"):
        read_listing(tmp_path / "gone.csv")

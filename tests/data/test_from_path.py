import pytest

from kmlic.data import (
    ReadingOptions,
    from_coco,
    from_csv,
    from_folder,
    from_path,
    from_voc,
)
from tests.data.files import encode, picture, write_dataset

SIZES = {"image_size": 16, "batch_size": 4}


def test_reads_a_path_as_its_files_are(tmp_path):
    data = from_path(write_dataset(tmp_path), **SIZES)
    assert data.labels.names == ("a", "b", "c") and sum(data.sizes.values()) == 30
    assert data.spec.name == "own_images"
    assert data.spec.options["reading"] == {"layout": "csv"}


def test_only_coco_has_boxes(tmp_path):
    with pytest.raises(ValueError, match="\"coco\"; got 'csv'"):
        from_path(write_dataset(tmp_path), boxes=True, **SIZES)


def test_reads_any_name_as_a_table(tmp_path):
    path = write_dataset(tmp_path).rename(tmp_path / "labels.data")
    assert from_csv(path, **SIZES).labels.names == ("a", "b", "c")


def test_another_layout_is_not_taken(tmp_path):
    (tmp_path / "a.json").write_text('{"images": []}')
    with pytest.raises(ValueError, match="a column must name the images"):
        from_csv(tmp_path / "a.json", ReadingOptions(layout="coco"), **SIZES)


def test_a_table_is_no_coco(tmp_path):
    with pytest.raises(ValueError, match="must be a JSON file"):
        from_coco(write_dataset(tmp_path), image_size=16, batch_size=4)


def test_images_without_xml_are_no_voc(tmp_path):
    write_dataset(tmp_path)
    (tmp_path / "labels.csv").unlink()
    with pytest.raises(ValueError, match="must hold XML files"):
        from_voc(tmp_path, image_size=16, batch_size=4)


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


@pytest.mark.parametrize("folders", ["animals/cat", "train/images"])
def test_folders_that_may_be_no_labels_are_refused(tmp_path, folders):
    for row, top in enumerate(["a", folders]):
        (tmp_path / top).mkdir(parents=True)
        (tmp_path / top / f"{row}.png").write_bytes(encode(picture(), "PNG"))
    with pytest.raises(ValueError, match=r"must hold .*folders named after labels"):
        from_folder(tmp_path, **SIZES)

import pytest

from kmlic.data import from_path
from tests.data.files import write_dataset

SIZES = {"image_size": 16, "batch_size": 4}


def test_reads_a_path_as_its_files_are(tmp_path):
    data = from_path(write_dataset(tmp_path), **SIZES)
    assert data.labels.names == ("a", "b", "c") and sum(data.sizes.values()) == 30
    assert data.spec.name == "own_images"
    assert data.spec.options["reading"] == {"layout": "csv"}


def test_only_coco_has_boxes(tmp_path):
    with pytest.raises(ValueError, match="\"coco\"; got 'csv'"):
        from_path(write_dataset(tmp_path), boxes=True, **SIZES)

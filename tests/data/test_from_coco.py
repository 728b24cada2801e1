import pytest

from kmlic.data import from_coco
from tests.data.files import write_dataset


def test_a_table_is_no_coco(tmp_path):
    with pytest.raises(ValueError, match="must be a JSON file"):
        from_coco(write_dataset(tmp_path), image_size=16, batch_size=4)

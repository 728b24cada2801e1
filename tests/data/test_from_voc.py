import pytest

from kmlic.data import from_voc
from tests.data.files import write_dataset


def test_images_without_xml_are_no_voc(tmp_path):
    write_dataset(tmp_path)
    (tmp_path / "labels.csv").unlink()
    with pytest.raises(ValueError, match="must hold XML files"):
        from_voc(tmp_path, image_size=16, batch_size=4)

import pytest

from kmlic.data import ImageRow, Listing, decode_image
from kmlic.data.build_from_listing import build_from_listing
from tests.data.files import encode, picture

SIZES = {"image_size": 8, "batch_size": 2}


def write_rows(folder, count=12, **fields):
    for row in range(count):
        (folder / f"{row}.png").write_bytes(encode(picture(seed=row), "PNG"))
    return [ImageRow(r + 1, f"{r}.png", ("dog",), **fields) for r in range(count)]


def test_paths_are_relative_to_the_root_and_may_follow_links(tmp_path):
    (tmp_path / "photos").mkdir()
    rows = write_rows(tmp_path / "photos")
    (tmp_path / "link").symlink_to(tmp_path / "photos")
    data = build_from_listing(Listing(rows, "list", tmp_path / "link"), **SIZES)
    assert sum(data.sizes.values()) == 12 and data.captions == ()


def test_the_same_image_under_two_spellings_stands_twice(tmp_path):
    rows = [*write_rows(tmp_path), ImageRow(13, "./3.png", ("dog",))]
    with pytest.raises(ValueError, match=r"list row 13: .* is listed in row 4 already"):
        build_from_listing(Listing(rows, "list", tmp_path), **SIZES)


def test_every_row_names_its_split_or_none(tmp_path):
    rows = write_rows(tmp_path)
    rows[0] = rows[0]._replace(split="train")
    with pytest.raises(ValueError, match=r"list row 2: .* '1\.png' has none"):
        build_from_listing(Listing(rows, "list", tmp_path), **SIZES)
    rows = write_rows(tmp_path, split="train")
    data = build_from_listing(Listing(rows, "list", tmp_path), **SIZES)
    assert data.sizes == {"train": 12, "validation": 0, "test": 0}
    rows[5] = rows[5]._replace(split="dev")
    with pytest.raises(ValueError, match=r"row 6: split must be one of .* got 'dev'"):
        build_from_listing(Listing(rows, "list", tmp_path), **SIZES)


def test_some_image_must_have_a_label(tmp_path):
    rows = [row._replace(labels=()) for row in write_rows(tmp_path)]
    with pytest.raises(ValueError, match="must give at least one image a label"):
        build_from_listing(Listing(rows, "list", tmp_path), **SIZES)
    data = build_from_listing(
        Listing(rows, "list", tmp_path), label_names=("dog",), **SIZES
    )
    assert not data.train_targets.any()


def test_raised_limits_hold_in_the_pipeline_too(tmp_path):
    for row in range(12):
        (tmp_path / f"{row}.png").write_bytes(encode(picture(seed=row), "BMP"))
    rows = [ImageRow(row, f"{row}.png", ("dog",)) for row in range(12)]
    with pytest.raises(ValueError, match=r"max_pixels=100 pixels; it has 768"):
        build_from_listing(Listing(rows, "list", tmp_path), max_pixels=100, **SIZES)
    data = build_from_listing(Listing(rows, "list", tmp_path), cache=False, **SIZES)
    images, _ = next(iter(data.test))
    path = tmp_path / data.paths["test"][0]
    assert images[0].shape == (8, 8, 3)
    path.write_bytes(b"")
    with pytest.raises(Exception, match=f"{path.name} must hold an image; it is empty"):
        list(data.test)
    with pytest.raises(ValueError, match="empty"):
        decode_image(path.read_bytes())

import numpy as np
import pytest

from kmlic.datasets import load_dataset, load_tiny_imagenet
from tests.data.files import encode, picture
from tests.shared import shared_path

SIZES = {"image_size": 16, "batch_size": 4}
WORDS = {
    "n01": "goldfish, Carassius auratus",
    "n02": "crane",
    "n03": "crane, hoist",
}


def write_tiny_imagenet(folder, *, train=8, val=2, nested=False, boxes=False):
    """Draws a folder laid out as the distribution, or as a part of it."""
    wnids = list(WORDS)
    (folder / "wnids.txt").write_text("\n".join(wnids) + "\n")
    lines = [f"{wnid}\t{words}" for wnid, words in WORDS.items()]
    (folder / "words.txt").write_text("\n".join([*lines, "n99\tof no image"]) + "\n")
    seed = 0
    for wnid in wnids:
        place = folder / "train" / wnid / ("images" if nested else "")
        place.mkdir(parents=True)
        for number in range(train):
            image = picture(16, 16, seed)
            image = image.convert("L") if number == 0 else image
            (place / f"{wnid}_{number}.JPEG").write_bytes(encode(image, "JPEG"))
            seed += 1
    (folder / "val" / "images").mkdir(parents=True)
    annotations = []
    for number in range(val * len(wnids)):
        image = encode(picture(16, 16, 1000 + number), "JPEG")
        (folder / "val" / "images" / f"val_{number}.JPEG").write_bytes(image)
        box = "\t0\t1\t9\t9" if boxes else ""
        annotations.append(f"val_{number}.JPEG\t{wnids[number % len(wnids)]}{box}")
    (folder / "val" / "val_annotations.txt").write_text("\n".join(annotations) + "\n")
    return folder


@pytest.mark.parametrize("whole", [False, True])
def test_reads_the_layout_of_the_distribution(tmp_path, whole):
    write_tiny_imagenet(tmp_path, nested=whole, boxes=whole)
    data = load_dataset("tiny_imagenet", data_dir=tmp_path, **SIZES)
    assert data.labels.names == ("goldfish", "crane (n02)", "crane (n03)")
    assert data.synonyms["goldfish"] == ("goldfish", "Carassius auratus")
    assert data.synonyms["crane (n03)"] == ("crane", "hoist")
    assert data.identifiers["crane (n02)"] == "n02"
    assert data.labels.exclusive and list(data.labels.groups) == ["class"]
    assert data.sizes == {"train": 21, "validation": 3, "test": 6}
    for split in ("train", "validation", "test"):
        assert (data.targets[split].sum(axis=1) == 1).all()
    assert data.targets["validation"].sum(axis=0).tolist() == [1, 1, 1]
    assert data.paths["test"][1] == "val/images/val_1.JPEG"
    assert data.targets["test"][1].tolist() == [0, 1, 0]
    images, targets = next(iter(data.test))
    assert images.shape == (4, 16, 16, 3) and targets.shape == (4, 3)


def test_the_seed_chooses_the_images_that_validate(tmp_path):
    write_tiny_imagenet(tmp_path)
    first, again, other = (
        load_tiny_imagenet(tmp_path, seed=seed, validation_fraction=0.5, **SIZES)
        for seed in (0, 0, 1)
    )
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert first.sizes["validation"] == 12
    assert first.paths["test"] == other.paths["test"]
    assert not set(first.paths["train"]) & set(first.paths["validation"])


def test_reads_the_real_one():
    folder = shared_path("data/tiny_imagenet")
    data = load_tiny_imagenet(folder, check="header", **SIZES)
    assert data.sizes == {"train": 19_000, "validation": 1_000, "test": 4_000}
    assert len(set(data.labels.names)) == 200
    assert data.labels.names[0] == "Egyptian cat"
    assert (data.targets["test"].sum(axis=0) == 20).all()


@pytest.mark.parametrize(
    ("file", "text", "rule"),
    [
        ("wnids.txt", "n01\nn07\n", r"words.txt must give words .*lacks \['n07'\]"),
        ("words.txt", "n01 goldfish\n", "words.txt line 1: .* got 'n01 goldfish'"),
        (
            "val/val_annotations.txt",
            "val_0.JPEG\tn01\nval_1.JPEG\tn77\n",
            r"val_annotations.txt line 2: .* got 'val_1.JPEG\\tn77'",
        ),
        ("val/val_annotations.txt", "gone.JPEG\tn01\n", "gone.JPEG must exist"),
    ],
)
def test_names_file_and_line_of_what_is_wrong(tmp_path, file, text, rule):
    write_tiny_imagenet(tmp_path)
    (tmp_path / file).write_text(text)
    with pytest.raises(ValueError, match=rule):
        load_tiny_imagenet(tmp_path, **SIZES)


def test_says_which_files_are_missing(tmp_path):
    write_tiny_imagenet(tmp_path)
    for image in (tmp_path / "train" / "n02").iterdir():
        image.unlink()
    with pytest.raises(ValueError, match=r"n02 must hold two or more .* holds 0"):
        load_tiny_imagenet(tmp_path, **SIZES)
    (tmp_path / "words.txt").write_bytes(b"n01\t\xff")
    with pytest.raises(ValueError, match=r"words.txt must be UTF-8"):
        load_tiny_imagenet(tmp_path, **SIZES)
    (tmp_path / "words.txt").unlink()
    with pytest.raises(ValueError, match=r"words.txt must exist"):
        load_tiny_imagenet(tmp_path, **SIZES)
    with pytest.raises(ValueError, match="validation_fraction=1"):
        load_tiny_imagenet(tmp_path, validation_fraction=1, **SIZES)
    with pytest.raises(ValueError, match="'tiny_imagenet'; got data_dir=None"):
        load_dataset("tiny_imagenet", **SIZES)


def test_the_images_are_those_of_the_files(tmp_path):
    write_tiny_imagenet(tmp_path)
    data = load_tiny_imagenet(tmp_path, image_size=16, batch_size=6)
    images = next(iter(data.test))[0].numpy()
    expected = np.asarray(picture(16, 16, 1000), "float32")
    assert np.abs(images[0] - expected).mean() < 8  # JPEG

import pytest

from kmlic.data import from_folder
from kmlic.data.reading_options import ReadingOptions
from tests.data.files import encode, picture

SIZES = {"image_size": 8, "batch_size": 2}


def write(folder, names, kind="PNG"):
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(picture(seed=number), kind))
    return folder


def targets_by_path(data):
    return {
        path: [
            name
            for name, target in zip(data.labels.names, row.tolist(), strict=True)
            if target == 1
        ]
        for split, paths in data.paths.items()
        for path, row in zip(paths, data.targets[split], strict=True)
    }


def test_an_image_has_the_label_of_its_folder(tmp_path):
    names = [f"{'dog' if n % 2 else 'cat'}/deep/../{n}.PNG" for n in range(12)]
    (tmp_path / "dog" / "deep").mkdir(parents=True)
    (tmp_path / "cat" / "deep").mkdir(parents=True)
    (tmp_path / "notes.md").write_text("not an image")
    data = from_folder(write(tmp_path, names), **SIZES)
    assert data.labels.names == ("cat", "dog")
    for path, labels in targets_by_path(data).items():
        assert labels == [path.split("/")[0]]


def test_a_separator_makes_several_labels_of_a_folder(tmp_path):
    names = [f"{'black' if n % 2 else 'red'}_jeans/{n}.png" for n in range(12)]
    data = from_folder(write(tmp_path, names), ReadingOptions(separator="_"), **SIZES)
    assert data.labels.names == ("black", "jeans", "red")
    assert (data.train_targets.sum(axis=1) == 2).all()


def test_tags_stand_in_a_text_beside_the_image(tmp_path):
    write(tmp_path, [f"{number}.png" for number in range(12)])
    for number in range(12):
        text = ("dog, big sofa\n", "dog\ncat\n", "")[number % 3]
        (tmp_path / f"{number}.txt").write_text(text)
    data = from_folder(tmp_path, ReadingOptions(layout="tags"), **SIZES)
    assert data.labels.names == ("big sofa", "cat", "dog")
    expected = (["big sofa", "dog"], ["cat", "dog"], [])
    for path, labels in targets_by_path(data).items():
        assert labels == expected[int(path[:-4]) % 3]


def test_names_every_image_without_labels_or_pixels(tmp_path):
    names = [f"{number}.png" for number in range(12)]
    with pytest.raises(ValueError, match="12 of 12 are not") as error:
        from_folder(write(tmp_path, names), **SIZES)
    assert f"{tmp_path} 0.png: an image must be in the folder" in str(error.value)
    (tmp_path / "0.txt").write_bytes(b"\xff\xfe\xfa")
    (tmp_path / "1.txt").write_text("dog")
    (tmp_path / "1.png").write_bytes(b"")
    with pytest.raises(ValueError, match="12 of 12 are not") as error:
        from_folder(tmp_path, ReadingOptions(layout="tags"), **SIZES)
    for problem in (
        "0.png: 0.txt must be UTF-8 text",
        "1.png must hold an image; it is empty",
        "10.png: 10.txt with its labels must be beside it",
    ):
        assert problem in str(error.value)


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"layout": "voc"}, "layout='voc'"),
        ({}, "must list at least one image; it lists none"),
    ],
)
def test_refuses_wrong_arguments_and_empty_folders(tmp_path, wrong, rule):
    with pytest.raises(ValueError, match=rule):
        from_folder(tmp_path, ReadingOptions(**wrong), **SIZES)
    with pytest.raises(ValueError, match="must be a file or folder; there is none"):
        from_folder(tmp_path / "gone", **SIZES)


def test_empty_labels_in_folder_names_are_refused(tmp_path):
    write(tmp_path, ["black__jeans/0.png"])
    with pytest.raises(ValueError, match=r"labels must not be empty; got \['black'"):
        from_folder(tmp_path, ReadingOptions(separator="_"), **SIZES)

import time

import pytest

from kmlic.data import from_folder, read_listing
from kmlic.data.read_folder import read_folder
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


def listing_of(folder, **options):
    return read_folder(folder, ReadingOptions(**options))


def titles(listing):
    return {f.title: f for f in listing.findings if f.count}


def test_hidden_files_and_other_kinds_are_left_out_and_counted(tmp_path):
    write(tmp_path, ["cat/1.JPG", "cat/._1.JPG", "cat/.checkpoints/2.jpg"])
    for name in ("dog/1.psd", "dog/2.psd", "dog/3.cr2", "notes.pdf"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    listing = listing_of(tmp_path)
    assert [row.path for row in listing.rows] == ["cat/1.JPG"]
    found = titles(listing)
    assert found["Hidden files that are left out"].count == 2
    others = found["Images of kinds that are not read"]
    assert others.rows == [[".cr2", "1"], [".pdf", "1"], [".psd", "2"]]
    assert "Nothing else is in: , dog." in others.text


def test_says_what_a_folder_without_images_holds(tmp_path):
    (tmp_path / "cat").write_text("../real/cat")
    (tmp_path / ".hidden.jpg").touch()
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    rule = "lists none. It holds 1 without a suffix; 1 hidden file and 1 broken link "
    with pytest.raises(ValueError, match=rule):
        listing_of(tmp_path)


def test_follows_links_to_folders_but_not_in_circles(tmp_path):
    write(tmp_path / "real", ["cat/1.png"])
    (tmp_path / "links").mkdir()
    (tmp_path / "links/cat").symlink_to(tmp_path / "real/cat")
    (tmp_path / "real/cat/again").symlink_to(tmp_path / "real")
    (tmp_path / "links/dog").symlink_to(tmp_path / "gone")
    listing = listing_of(tmp_path / "links")
    assert {row.labels for row in listing.rows} >= {("cat",)}
    assert titles(listing)["Links that lead nowhere"].rows == [["dog"]]


def test_folders_of_splits_are_above_those_of_labels(tmp_path):
    write(tmp_path, ["train/cat/1.png", "val/cat/2.png", "test/dog/3.png"])
    rows = listing_of(tmp_path).rows
    assert [(row.split, row.labels) for row in rows] == [
        ("test", ("dog",)),
        ("train", ("cat",)),
        ("validation", ("cat",)),
    ]
    write(tmp_path, ["other/cat/4.png"])
    listing = listing_of(tmp_path)
    assert {row.split for row in listing.rows} == {""}
    assert {f.title: f.count for f in listing.findings}["Splits that are not used"] == 3


def test_copies_in_the_folders_of_several_labels_are_one_image(tmp_path):
    same = encode(picture(seed=5), "PNG")
    write(tmp_path, ["cat/1.png", "dog/2.png"])
    for name in ("cat/a.png", "cat/b.png", "dog/c.png"):
        (tmp_path / name).write_bytes(same)
    listing = listing_of(tmp_path)
    assert {row.path: row.labels for row in listing.rows} == {
        "cat/1.png": ("cat",),
        "cat/a.png": ("cat", "dog"),
        "dog/2.png": ("dog",),
    }
    note = titles(listing)["Images in the folders of several labels"]
    assert note.rows == [["cat/a.png", "cat/b.png, dog/c.png"]]
    # Folders that name several labels already say all of them.
    assert len(listing_of(tmp_path, separator="_").rows) == 5


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        (
            "1girl, long_hair, miku_\\(vocaloid\\)",
            ("1girl", "long hair", "miku (vocaloid)"),
        ),
        ("1girl long_hair", ("1girl", "long hair")),
        ("^_^, x_x, rating:safe", ("^_^", "x_x", "rating:safe")),
        (
            "artist:wlop, character:hatsune_miku, re:zero",
            ("wlop", "hatsune miku", "re:zero"),
        ),
        ("long hair\nred dress\n", ("long hair", "red dress")),
        ("tag one, tag one", ("tag one",)),
        ("", ()),
    ],
)
def test_tags_are_read_as_taggers_write_them(tmp_path, text, labels):
    write(tmp_path, ["1.png"])
    (tmp_path / "1.png.txt").write_text(text)
    (row,) = listing_of(tmp_path, layout="tags").rows
    assert row.labels == labels


def test_boxes_need_the_names_of_their_classes(tmp_path):
    write(tmp_path, ["1.png", "2.png", "3.png"])
    (tmp_path / "1.txt").write_text(
        "1 0.5 0.5 0.1 0.1\n0 .2 .2 .3 .3\n1 0.1 0.1 0.1 1e-3"
    )
    (tmp_path / "2.txt").write_text("")
    (tmp_path / "3.txt").write_text("7 0.5 0.5 0.1 0.1")
    with pytest.raises(ValueError, match=r"hold boxes, .* YOLO .*classes\.txt"):
        listing_of(tmp_path, layout="tags")
    (tmp_path / "classes.txt").write_text("dog\ncat\n")
    listing = listing_of(tmp_path, layout="tags")
    assert [row.labels for row in listing.rows] == [("cat", "dog"), (), ()]
    assert listing.rows[2].problem.startswith("classes must have names")
    assert titles(listing)["Text files that hold boxes"].count == 2
    assert "YOLO's boxes" in listing.summary


def test_a_long_line_of_numbers_takes_little_time(tmp_path):
    for number in range(2):
        (tmp_path / f"{number}.png").write_bytes(encode(picture(seed=number), "PNG"))
        (tmp_path / f"{number}.txt").write_text("0 " + "11111 " * 60 + "x")
    began = time.process_time()
    read_listing(tmp_path)
    assert time.process_time() - began < 5

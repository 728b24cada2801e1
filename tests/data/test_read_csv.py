import logging
import re
import sys

import numpy as np
import pytest
from PIL import Image

from kmlic.data import from_csv, read_image, read_resized, resize_images
from kmlic.data.read_csv import read_csv
from kmlic.data.reading_options import ReadingOptions
from tests.data.files import encode, huge_png, picture, write_csv, write_dataset

SIZES = {"image_size": 16, "batch_size": 4}


def read_all(dataset):
    batches = list(dataset.as_numpy_iterator())
    images, targets = zip(*batches, strict=True)
    return np.concatenate(images), np.concatenate(targets)


def test_gives_every_image_once_with_its_own_pixels_and_targets(tmp_path):
    data = from_csv(write_dataset(tmp_path, kind="JPEG"), **SIZES)
    assert data.labels.names == ("a", "b", "c") and data.labels.image_size == 16
    assert sum(data.sizes.values()) == 30
    assert len({path for paths in data.paths.values() for path in paths}) == 30
    for split in ("validation", "test"):
        images, targets = read_all(getattr(data, split))
        np.testing.assert_array_equal(targets, data.targets[split])
        for path, image, target in zip(data.paths[split], images, targets, strict=True):
            expected = resize_images(read_image(tmp_path / path), 16)
            np.testing.assert_array_equal(image, expected)
            row = int(path[:3])
            assert target.tolist() == [row % 2 == 0, row % 3 == 0, row % 4 == 0]


def test_training_batches_are_full_shuffled_and_repeatable(tmp_path):
    path = write_dataset(tmp_path)
    data, same = (from_csv(path, seed=3, **SIZES) for _ in range(2))
    other = from_csv(path, seed=4, splitting="random", **SIZES)
    assert data.fingerprint == same.fingerprint != other.fingerprint
    first, second = read_all(data.train)[0], read_all(data.train)[0]
    assert len(first) == data.sizes["train"] // 4 * 4 == len(data.train) * 4
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(read_all(same.train)[0], first)
    np.testing.assert_array_equal(read_all(same.train)[0], second)


def test_the_order_of_labels_may_be_given_as_names_or_as_a_file(tmp_path):
    path = write_dataset(tmp_path)
    names = tmp_path / "classes.txt"
    names.write_text("c\nabsent\nb\na\n", encoding="utf-8")
    data = from_csv(path, label_names=names, **SIZES)
    assert data.labels.names == ("c", "absent", "b", "a")
    assert data.targets["test"][:, 1].sum() == 0
    groups = {"vowels": ["a"]}
    data = from_csv(path, label_names=list("abc"), label_groups=groups, **SIZES)
    assert data.labels.groups == {"vowels": ("a",)}


def test_unknown_labels_captions_groups_and_splits_are_read(tmp_path):
    lines = ["path,labels,caption,split,note"]
    for row in range(12):
        (tmp_path / f"{row}.png").write_bytes(encode(picture(seed=row), "PNG"))
        split = ("train", "train", "validation", "test")[row % 4]
        lines.append(f'{row}.png,dog;?cat,"a, {row}",{split},')
    data = from_csv(
        write_csv(tmp_path, lines),
        ReadingOptions(separator=";"),
        label_names=["dog", "cat"],
        **SIZES,
    )
    assert data.sizes == {"train": 6, "validation": 3, "test": 3}
    assert data.train_targets.tolist() == [[1, -1]] * 6
    assert data.captions == ("a, 0", "a, 1", "a, 4", "a, 5", "a, 8", "a, 9")


def test_exact_copies_and_groups_stay_in_one_split(tmp_path):
    lines = ["path,labels,group"]
    for row in range(40):
        data = encode(picture(seed=row // 4), "PNG")
        (tmp_path / f"{row}.png").write_bytes(data)
        lines.append(f"{row}.png,dog,{row // 8}")
    data = from_csv(write_csv(tmp_path, lines), fractions=(0.5, 0.25, 0.25), **SIZES)
    assert data.duplicates == 30
    places = [{int(path[:-4]) // 8 for path in paths} for paths in data.paths.values()]
    assert sum(map(len, places)) == 5


def test_warns_of_copies_across_given_splits(tmp_path, caplog):
    lines = ["path,labels,split"]
    for row in range(9):
        (tmp_path / f"{row}.png").write_bytes(encode(picture(seed=row % 6), "PNG"))
        split = ("train", "validation", "test")[row // 3]
        lines.append(f"{row}.png,dog,{split}")
    from_csv(write_csv(tmp_path, lines), image_size=8, batch_size=1)
    assert "an exact copy in another of the given splits: 6;" in caplog.text


def test_warns_of_copies_with_other_labels(tmp_path, caplog):
    path = write_dataset(tmp_path)
    (tmp_path / "001.png").write_bytes((tmp_path / "000.png").read_bytes())
    (tmp_path / "007.png").write_bytes((tmp_path / "005.png").read_bytes())
    from_csv(path, **SIZES)
    assert "pairs of exact copies with different labels: 1:" in caplog.text
    assert "000.png and 001.png" in caplog.text and "005.png" not in caplog.text


def test_splits_can_be_written_and_used_again(tmp_path):
    path = write_dataset(tmp_path)
    data = from_csv(path, seed=1, **SIZES)
    data.write_splits(tmp_path / "splits.csv")
    again = from_csv(path, seed=2, splitting=tmp_path / "splits.csv", **SIZES)
    assert again.paths == data.paths and again.fingerprint == data.fingerprint
    lines = (tmp_path / "splits.csv").read_text().splitlines()
    (tmp_path / "splits.csv").write_text("\n".join(lines[:-1]))
    with pytest.raises(
        ValueError, match=r"splits\.csv must give every image .* 1 have"
    ):
        from_csv(path, splitting=tmp_path / "splits.csv", **SIZES)


def damage(folder):
    """Breaks one thing a row, from row 2 on, and gives each row's rule."""
    path = write_dataset(folder)
    lines = path.read_text(encoding="utf-8").splitlines()
    whole = encode(picture(60, 80), "JPEG")
    (folder / "000.png").write_bytes(whole[:-200])
    (folder / "001.png").write_bytes(b"")
    (folder / "002.png").unlink()
    (folder / "003.png").write_text("not an image")
    (folder / "004.png").unlink()
    (folder / "004.png").mkdir()
    (folder / "005.png").write_bytes(huge_png())
    lines[7] = "006.png,a|dragon"
    lines[8] = ",a"
    lines[9] = "../008.png,a"
    lines[10] = "/etc/hostname,a"
    lines[13] = "012.png,a|?a"
    lines[14] = "013.png,a,b"
    write_csv(folder, lines)
    return path, {
        2: r"000\.png must be a complete JPEG",
        3: r"001\.png must hold an image; it is empty",
        4: r"002\.png must exist",
        5: r"003\.png must be a JPEG, PNG",
        6: r"004\.png must be a file; it is a folder",
        7: r"005\.png must have at most max_pixels=67,108,864",
        8: r"labels must be among the 3 known ones; got \['dragon'\]",
        9: "the path must not be empty",
        10: "the path must stay inside",
        11: "the path must stay inside",
        14: r"a label must be present or unknown; got 'a' and '\?a'",
        15: r"a row must have 2 cells .* got 3",
    }


def test_names_the_file_row_and_rule_of_every_bad_row(tmp_path):
    path, rules = damage(tmp_path)
    with pytest.raises(ValueError, match=r"12 of 30 are not\. Correct them") as error:
        from_csv(path, label_names=tuple("abc"), **SIZES)
    lines = str(error.value).splitlines()[1:]
    assert len(lines) == len(rules)
    for line, (row, rule) in zip(lines, rules.items(), strict=True):
        assert line.startswith(f"{path} row {row}: ")
        assert re.search(rule, line)


def test_skips_bad_rows_when_asked_and_lists_them(tmp_path, caplog):
    path, rules = damage(tmp_path)
    data = from_csv(path, label_names=tuple("abc"), on_error="skip", **SIZES)
    assert [skipped.row for skipped in data.skipped] == list(rules)
    assert sum(data.sizes.values()) == 30 - len(rules)
    warnings = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 1 and "12 of 30 rows skipped" in caplog.text


def test_counts_what_it_does_not_list(tmp_path):
    lines = ["path,labels", *(f"{row}.png,a" for row in range(50))]
    with pytest.raises(ValueError, match="50 of 50") as error:
        from_csv(write_csv(tmp_path, lines), **SIZES)
    assert str(error.value).endswith("... and 30 more")
    with pytest.raises(ValueError, match="all 50 rows were skipped"):
        from_csv(write_csv(tmp_path, lines), on_error="skip", **SIZES)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (b"", r"must list images; it is empty"),
        (b"path\na.png\n", "row 1: no column `labels`. Name the column"),
        (b"path,lable\na.png,x\n", "no column `labels`; did you mean 'lable'"),
        (b"tags,x\na,x\n", "a column must name the images, .* are \\[tags, x\\]"),
        (b"path,labels,path\n", "row 1: a column must be named once"),
        (b"path,labels\n", "must list at least one image; it lists none"),
        (b"path,labels\n\xe9.png,a\n", "must be UTF-8 text; byte 12 in row 2 is not"),
        (b'path,labels\n"a.png,a\n', "must be a CSV file; got unexpected end"),
        (b"path,labels\n\0.png,a\n", "row 2: the path must stay inside|CSV"),
    ],
)
def test_refuses_files_that_are_no_such_csv(tmp_path, text, rule):
    path = tmp_path / "labels.csv"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=rule) as error:
        from_csv(path, **SIZES)
    assert str(path) in str(error.value)


def test_refuses_missing_files_and_wrong_arguments(tmp_path):
    with pytest.raises(ValueError, match="there is no such file"):
        read_csv(tmp_path / "gone.csv", ReadingOptions())
    path = write_dataset(tmp_path)
    for wrong, rule in (
        ({"on_error": "ignore"}, "on_error='ignore'"),
        ({"augmentation": "warp"}, "augmentation='warp'"),
        ({"batch_size": 64}, "batch_size=64 for 21 images"),
        ({"image_size": 0}, "image_size=0"),
        ({"label_names": "gone.txt"}, "gone.txt must exist"),
    ):
        with pytest.raises(ValueError, match=rule):
            from_csv(path, **{**SIZES, **wrong})
    with pytest.raises(TypeError, match="colour"):
        from_csv(path, **SIZES, colour=True)


def test_unusual_images_come_out_of_the_pipeline_as_read_image_reads_them(tmp_path):
    write_dataset(tmp_path)
    for row, mode in enumerate(("CMYK", "L", "RGBA", "P") * 7):
        image = picture(seed=row).convert(mode)
        kind = "JPEG" if mode == "CMYK" else "PNG"
        (tmp_path / f"{row:03}.png").write_bytes(encode(image, kind))
    for cache in (True, False):
        data = from_csv(tmp_path / "labels.csv", cache=cache, **SIZES)
        images, _ = read_all(data.test)
        for path, image in zip(data.paths["test"], images, strict=True):
            expected = resize_images(read_image(tmp_path / path), 16)
            np.testing.assert_array_equal(image, expected)


MARKED = [
    ["path", "a", "b", "split"],
    *([f"{row:03}.png", row % 2, ["", -1, 1][row % 3], "train"] for row in range(20)),
    *([f"{row:03}.png", "1.0", "0.0", "test"] for row in range(20, 25)),
    *([f"{row:03}.png", "True", "-1.0", "validation"] for row in range(25, 30)),
]


def check_marked(path):
    data = from_csv(path, **SIZES)
    assert data.labels.names == ("a", "b")
    expected = [[row % 2, [-1, -1, 1][row % 3]] for row in range(20)]
    assert data.train_targets.tolist() == expected
    assert data.targets["test"].tolist() == [[1, 0]] * 5
    assert data.targets["validation"].tolist() == [[1, -1]] * 5


@pytest.mark.parametrize(("suffix", "separator"), [("csv", ","), ("tsv", "\t")])
def test_a_column_may_stand_for_each_label(tmp_path, suffix, separator):
    write_dataset(tmp_path)
    path = tmp_path / f"marks.{suffix}"
    path.write_text("\n".join(separator.join(map(str, row)) for row in MARKED))
    check_marked(path)


def test_a_cell_of_a_label_is_1_0_minus_1_or_empty(tmp_path):
    write_dataset(tmp_path)
    lines = ["path,a,b", *(f"{row:03}.png,1,0" for row in range(30))]
    lines[4] = "003.png,1,yes"
    with pytest.raises(ValueError, match=r"row 5: column b: 'yes' is not 1, 0 or -1"):
        from_csv(write_csv(tmp_path, lines), **SIZES)


def _refuses_parquet_bombs(folder):
    import pyarrow
    from pyarrow import parquet

    nulls = pyarrow.table({"path": pyarrow.nulls(10_000_000, pyarrow.string())})
    parquet.write_table(nulls, folder / "rows.parquet")
    with pytest.raises(ValueError, match=r"rows\.parquet .* declares 10,000,000 in"):
        from_csv(folder / "rows.parquet", **SIZES)
    long = pyarrow.table({"path": ["a.jpg"], "labels": ["x" * 100_000_000]})
    parquet.write_table(
        long, folder / "long.parquet", compression="zstd", write_statistics=False
    )
    with pytest.raises(ValueError, match=r"long\.parquet .* labels unpacks from"):
        from_csv(folder / "long.parquet", **SIZES)


def test_says_in_one_sentence_that_a_file_is_no_parquet(tmp_path):
    (tmp_path / "rows.parquet").write_bytes(b"path,labels")
    with pytest.raises(ValueError, match=r"a Parquet file; got .*[^.]\.$"):
        from_csv(tmp_path / "rows.parquet", **SIZES)


def test_parquet_holds_the_same(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    write_dataset(tmp_path)
    marks = {"1.0": 1, "0.0": 0, "True": 1, "-1.0": -1, "": None}
    columns = {
        name: [marks.get(str(cell), cell) for cell in column]
        for name, *column in zip(*MARKED, strict=True)
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "marks.parquet")
    check_marked(tmp_path / "marks.parquet")
    lists = {
        "path": columns["path"],
        "labels": [["dog"] * (row % 2) + ["?cat"] for row in range(30)],
    }
    parquet.write_table(pyarrow.table(lists), tmp_path / "lists.parquet")
    data = from_csv(tmp_path / "lists.parquet", label_names=("cat", "dog"), **SIZES)
    for path, target in zip(data.paths["train"], data.train_targets, strict=True):
        assert target.tolist() == [-1, int(path[:3]) % 2]
    _refuses_parquet_bombs(tmp_path)
    (tmp_path / "text.parquet").write_text("path,labels")
    with pytest.raises(ValueError, match=r"text\.parquet must be a Parquet file"):
        from_csv(tmp_path / "text.parquet", **SIZES)


def test_images_need_not_be_looked_at_first(tmp_path):
    data = from_csv(write_dataset(tmp_path), check="none", **SIZES)
    images, _ = read_all(data.test)
    expected = resize_images(read_image(tmp_path / data.paths["test"][0]), 16)
    np.testing.assert_array_equal(images[0], expected)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF"])
def test_crops_do_not_depend_on_what_was_decoded_for_them(tmp_path, kind):
    path = write_dataset(tmp_path, 20, kind=kind)
    turned = Image.Exif()
    turned[0x0112] = 6
    if kind == "JPEG":
        (tmp_path / "003.jpeg").write_bytes(
            encode(picture(22, 40), "JPEG", exif=turned)
        )
    cached, anew = (
        from_csv(
            path,
            image_size=8,
            batch_size=5,
            augmentation="multi_scale_crop",
            cache=cache,
        )
        for cache in (True, False)
    )
    for (images, _), (same, _) in zip(cached.train, anew.train, strict=True):
        np.testing.assert_array_equal(images, same)


def test_large_photographs_are_kept_at_a_part_of_their_size(tmp_path):
    path = write_dataset(tmp_path, 12, kind="JPEG")
    (tmp_path / "004.jpeg").write_bytes(encode(picture(160, 240), "JPEG"))
    data = from_csv(path, image_size=8, batch_size=2, pixels="uint8")
    for split in ("validation", "test"):
        images = np.concatenate(
            [x for x, _ in getattr(data, split).as_numpy_iterator()]
        )
        assert images.dtype == np.uint8
        for image, name in zip(images, data.paths[split], strict=True):
            expected = read_resized(tmp_path / name, 8)
            np.testing.assert_array_equal(image, np.rint(expected))


def test_says_how_much_of_a_file_is_left(tmp_path, monkeypatch):
    totals = []

    def spy(items, title, total=None):
        totals.append(total)
        return items

    module = sys.modules["kmlic.data.read_text_rows"]  # whose name the function hides
    monkeypatch.setattr(module, "with_progress", spy)
    write_dataset(tmp_path)
    listing = read_csv(tmp_path / "labels.csv", ReadingOptions())
    assert totals == [len(listing.rows)]


def test_names_the_row_that_is_no_csv(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("path,labels\na.png,cat\n" + "x" * 200_000 + ",cat\n")
    with pytest.raises(ValueError, match=r"labels\.csv must be a CSV.* in row 3"):
        read_csv(path, ReadingOptions())


def test_the_first_line_of_excel_names_the_delimiter(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("sep=;\r\npath;labels\r\n1.jpg;dog\r\n2.jpg;dog|cat\r\n")
    first, second = read_csv(path, ReadingOptions()).rows
    assert (first.row, first.labels) == (3, ("dog",))
    assert (second.row, second.labels) == (4, ("dog", "cat"))


def test_rows_of_empty_cells_are_no_images(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("path,labels\n1.jpg,dog\n,\n2.jpg,cat\n,,,\n")
    rows = read_csv(path, ReadingOptions()).rows
    assert [(row.row, row.path, row.problem) for row in rows] == [
        (2, "1.jpg", ""),
        (4, "2.jpg", ""),
    ]

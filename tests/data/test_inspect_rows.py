import numpy as np
import pytest

from kmlic.data import ImageRow, Listing, inspect_rows
from tests.data.files import encode, picture


@pytest.fixture
def listing(tmp_path):
    rows = []
    for row in range(12):
        (tmp_path / f"{row}.png").write_bytes(encode(picture(seed=row), "PNG"))
        labels = ("dog",) if row % 2 else ("dog", "cat")
        rows.append(ImageRow(row + 1, f"{row}.png", labels, ("owl",) * (row == 3)))
    return Listing(rows, "list", tmp_path)


def test_gathers_targets_that_are_sparse(listing):
    found = inspect_rows(listing, label_names=("cat", "dog", "owl"))
    expected = np.tile([[1, 1, 0], [0, 1, 0]], (6, 1))
    expected[3, 2] = -1
    np.testing.assert_array_equal(found.targets.toarray(), expected)
    assert found.targets.nnz == np.count_nonzero(expected)
    assert found.names == ("cat", "dog", "owl") and found.skipped == ()


def test_a_label_that_is_only_ever_unknown_is_none_unless_it_is_named(listing):
    assert inspect_rows(listing).names == ("cat", "dog")


def test_keeps_what_is_wrong_apart_and_in_order(listing, tmp_path):
    (tmp_path / "4.png").write_bytes(b"")
    rows = [*listing.rows, ImageRow(13, "gone.png"), ImageRow(14, "a", problem="bad")]
    found = inspect_rows(listing._replace(rows=rows))
    assert [bad.row for bad in found.skipped] == [5, 13, 14]
    assert len(found.images) == len(found.checks) == found.targets.shape[0] == 11


def test_no_image_needs_to_be_opened(tmp_path):
    rows = [ImageRow(row + 1, f"{row}.png", ("dog",)) for row in range(9)]
    found = inspect_rows(Listing(rows, "list", tmp_path), check="none")
    assert len(found.images) == 9 and found.digests == [None] * 9
    assert found.copies() == []
    assert np.bincount(found.split()).tolist() == [6, 1, 2]


def test_finds_copies_and_those_whose_labels_differ(listing, tmp_path):
    for copy, original in ((2, 0), (5, 0)):
        (tmp_path / f"{copy}.png").write_bytes(
            (tmp_path / f"{original}.png").read_bytes()
        )
    found = inspect_rows(listing)
    assert found.copies() == [[0, 2, 5]]
    assert found.conflicts(found.copies()) == [(0, 5)]
    assert len(set(found.split()[[0, 2, 5]].tolist())) == 1


def test_describes_the_pixels_of_every_image(listing):
    found = inspect_rows(listing, describe=lambda pixels: pixels.shape)
    assert {check.description for check in found.checks} == {(24, 32, 3)}
    with pytest.raises(ValueError, match="depth='header'"):
        inspect_rows(listing, check="header", describe=np.shape)


def test_an_absolute_path_below_the_root_is_inside_it(listing, tmp_path):
    rows = [ImageRow(1, str(tmp_path / "0.png"), ("dog",))]
    assert not inspect_rows(listing._replace(rows=rows)).skipped
    rows = [ImageRow(1, f"{tmp_path}.png", ("dog",))]
    (bad,) = inspect_rows(listing._replace(rows=rows)).skipped
    assert "must stay inside" in bad.reason


def test_says_when_there_is_nothing(tmp_path):
    with pytest.raises(ValueError, match="list must list at least one image"):
        inspect_rows(Listing([], "list", tmp_path))


def test_what_is_not_listed_may_be_unknown(tmp_path):
    rows = [
        ImageRow(1, "1.png", ("dog",), absent=("cat",)),
        ImageRow(2, "2.png", ("cat",), absent=("owl",)),
    ]
    listing = Listing(rows, "list", tmp_path, unlisted="unknown")
    found = inspect_rows(listing, check="none")
    assert found.names == ("cat", "dog") and found.unlisted_unknown
    np.testing.assert_array_equal(found.dense_targets(), [[0, 1], [1, -1]])
    np.testing.assert_array_equal(found.dense_targets(np.array([1])), [[1, -1]])
    assert found.targets.nnz == 3
    plain = inspect_rows(listing._replace(unlisted="absent"), check="none")
    np.testing.assert_array_equal(plain.dense_targets(), [[0, 1], [1, 0]])


@pytest.mark.parametrize(("number", "row"), [(0, "list: every"), (4, "list row 4: e")])
def test_names_the_first_image_without_a_split(tmp_path, number, row):
    rows = [ImageRow(3, "1.png", ("dog",), split="train"), ImageRow(number, "2.png")]
    found = inspect_rows(Listing(rows, "list", tmp_path), check="none")
    with pytest.raises(ValueError, match=rf"^{row}.*'2\.png' has none"):
        found.split()


@pytest.mark.parametrize("splits", ["train validation", "test", "train"])
def test_given_splits_need_not_be_three(tmp_path, splits):
    names = splits.split()
    rows = [
        ImageRow(i, f"{i}.png", ("dog",), split=names[i % len(names)]) for i in range(6)
    ]
    found = inspect_rows(Listing(rows, "list", tmp_path), check="none")
    counts = np.bincount(found.split(), minlength=3)
    expected = [6 // len(names) * (n in names) for n in ("train", "validation", "test")]
    assert counts.tolist() == expected

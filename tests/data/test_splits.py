import numpy as np
import pytest

from kmlic.data import fold_images, read_splits, split_images
from kmlic.data.multi_label_data import write_splits


def rare_targets(count=600):
    random = np.random.default_rng(0)
    return (random.random((count, 8)) < np.geomspace(0.02, 0.5, 8)).astype("int8")


def test_every_label_keeps_its_share_in_every_split():
    targets = rare_targets()
    split = split_images(targets)
    for number, fraction in enumerate((0.7, 0.1, 0.2)):
        inside = split == number
        assert abs(inside.mean() - fraction) < 0.01
        share = targets[inside].sum(axis=0) - fraction * targets.sum(axis=0)
        assert np.abs(share).max() < 2.5


def test_each_fold_is_the_test_split_of_its_seed():
    targets = rare_targets(100)
    pairs = (np.arange(100) // 2).tolist()
    options = {"groups": (pairs,), "num_folds": 5}
    splits = [split_images(targets, seed=fold, **options) for fold in range(5)]
    assert (sum(split == 2 for split in splits) == 1).all()
    for split in splits:
        assert (split[::2] == split[1::2]).all()
        assert abs((split == 1).mean() - 0.8 / 8) < 0.03  # fractions 0.7 to 0.1
    with pytest.raises(ValueError, match=r"number of a fold.*seed=5 for num_folds=5"):
        split_images(targets, seed=5, **options)
    with pytest.raises(ValueError, match=r"images to train on.*\(0\.0, 0\.5, 0\.5\)"):
        split_images(targets, fractions=(0, 0.5, 0.5), **options)


def test_stratified_splits_are_closer_to_the_asked_shares_than_random_ones():
    targets = rare_targets()

    def distance(method):
        split = split_images(targets, method=method)
        shares = targets[split == 2].sum(axis=0) / targets.sum(axis=0)
        return np.abs(shares - 0.2).max()

    assert distance("stratified") < 0.5 * distance("random")


@pytest.mark.parametrize("method", ["stratified", "random"])
def test_the_seed_fixes_the_split(method):
    targets = rare_targets()
    first, same, other = (
        split_images(targets, method=method, seed=seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()


@pytest.mark.parametrize("method", ["stratified", "random"])
def test_images_linked_by_any_key_stay_together(method):
    targets = rare_targets(120)
    pairs = np.arange(120) // 2
    threes = [None if i % 3 else f"camera {i // 12}" for i in range(120)]
    split = split_images(targets, groups=(pairs.tolist(), threes), method=method)
    assert (split[::2] == split[1::2]).all()
    for start in range(0, 120, 12):
        assert len(set(split[start : start + 12 : 3].tolist())) == 1
    assert len(set(split.tolist())) == 3


def test_every_label_keeps_its_share_in_every_fold():
    targets = rare_targets()
    folds = fold_images(targets, 5)
    assert np.bincount(folds).tolist() == [120] * 5
    counts = np.stack([targets[folds == fold].sum(axis=0) for fold in range(5)])
    assert np.abs(counts - targets.sum(axis=0) / 5).max() < 2.5


@pytest.mark.parametrize("method", ["stratified", "random"])
def test_folds_keep_groups_together_and_follow_from_the_seed(method):
    targets = rare_targets(120)
    pairs = (np.arange(120) // 2).tolist()
    folds, same, other = (
        fold_images(targets, 4, groups=(pairs,), method=method, seed=seed)
        for seed in (1, 1, 2)
    )
    assert (folds[::2] == folds[1::2]).all()
    assert set(folds.tolist()) == {0, 1, 2, 3}
    np.testing.assert_array_equal(folds, same)
    assert (folds != other).any()


def test_refuses_folds_that_cannot_be_made():
    with pytest.raises(ValueError, match="from 2 to 127; got num_folds=1"):
        fold_images(rare_targets(9), 1)
    with pytest.raises(ValueError, match="num_folds=5 for 4 images in 4 groups"):
        fold_images(rare_targets(4), 5)


def test_unknown_and_missing_labels_do_not_count_as_present():
    targets = np.zeros((20, 1), "int8")
    targets[:10] = -1
    assert np.bincount(split_images(targets)).tolist() == [14, 2, 4]


@pytest.mark.parametrize("method", ["stratified", "random"])
@pytest.mark.parametrize(
    ("fractions", "counts"),
    [
        ((0.9, 0.1, 0), [18, 2, 0]),
        ((0, 0, 1), [0, 0, 20]),
        ((0.5, 0, 0.5), [10, 0, 10]),
    ],
)
def test_a_split_may_stay_empty(method, fractions, counts):
    targets = np.random.default_rng(0).integers(0, 2, (20, 3))
    split = split_images(targets, fractions=fractions, method=method)
    assert np.bincount(split, minlength=3).tolist() == counts


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"fractions": (0.5, 0.5)}, r"fractions=\(0\.5, 0\.5\)"),
        ({"fractions": (0.8, 0.4, -0.2)}, "three numbers, 0 or more"),
        ({"fractions": (0.8, 0.2, 0.2)}, "sum to 1"),
        ({"method": "sorted"}, "method='sorted'"),
        ({"groups": ([1],)}, "got 1 for 9 images"),
        ({"groups": ([0] * 9,)}, "9 images in 1 group: .*--fractions 1 0 0 trains"),
    ],
)
def test_refuses_splits_that_cannot_be_made(wrong, rule):
    with pytest.raises(ValueError, match=rule):
        split_images(np.ones((9, 2), "int8"), **wrong)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (
            "path,part\n",
            r"columns path, split; got \['path', 'part'\]",
        ),
        ("", r"got \[\]"),
        ("path,split\na.png,train\nb.png,part\n", "row 3: .* got 'part'"),
        ("path,split\na.png,train\na.png,test\n", "row 3: .*'a.png' is listed twice"),
    ],
)
def test_refuses_split_files_by_row(tmp_path, text, rule):
    path = tmp_path / "splits.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=rule) as error:
        read_splits(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("row", [b"x" * 200_000 + b",test", b"\xff.jpg,test"])
def test_names_the_row_of_splits_that_is_no_csv(tmp_path, row):
    path = tmp_path / "splits.csv"
    path.write_bytes(b"path,split\n" + row)
    with pytest.raises(ValueError, match=r"splits\.csv must be .* row 2"):
        read_splits(path)


def test_reads_the_names_that_a_spreadsheet_would_run(tmp_path):
    names = ("=1.png", "'=2.png", "'x.png")
    write_splits(tmp_path / "s.csv", {"train": names, "validation": (), "test": ()})
    assert tuple(read_splits(tmp_path / "s.csv")) == names
    assert "\n'=1.png,train" in (tmp_path / "s.csv").read_text()


def test_says_in_words_which_split_gets_no_image():
    rule = (
        "--fractions 0.7 0.1 0.2, the default, for 5 images in 5 groups: 5 train, 0 val"
    )
    with pytest.raises(ValueError, match=rule):
        split_images(np.eye(5, dtype=int))

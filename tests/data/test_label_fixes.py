import numpy as np
import pytest

from kmlic.data.image_row import ImageRow, Listing
from kmlic.data.label_fixes import LabelFix, apply_label_fixes, write_label_fixes
from kmlic.data.multi_label_data import Boxes
from kmlic.data.read_listing import read_listing

FIXES = (
    LabelFix("a.jpg", "dog", "present", "absent", 0.02),
    LabelFix("b.jpg", "=cat", "absent", "present", 0.97),
)


@pytest.fixture
def listing(tmp_path):
    text = "path,labels,split,group\na.jpg,dog|?=cat,train,x\nb.jpg,dog,test,\n"
    (tmp_path / "labels.csv").write_text(text)
    return read_listing(tmp_path / "labels.csv")


def _states(listing):
    return {row.path: (set(row.labels), set(row.unknown)) for row in listing.rows}


def test_fixes_are_applied_and_written_again(listing, tmp_path):
    write_label_fixes(tmp_path / "fixes.csv", FIXES)
    assert "'=cat" in (tmp_path / "fixes.csv").read_text()
    fixed, changed = apply_label_fixes(listing, tmp_path / "fixes.csv")
    assert changed == 2
    expected = {"a.jpg": (set(), {"=cat"}), "b.jpg": ({"dog", "=cat"}, set())}
    assert _states(fixed) == expected
    assert apply_label_fixes(fixed, tmp_path / "fixes.csv")[1] == 0


def test_an_edited_row_and_a_removed_one_are_respected(listing, tmp_path):
    write_label_fixes(tmp_path / "fixes.csv", FIXES)
    header, first, _ = (tmp_path / "fixes.csv").read_text().splitlines()
    edited = first.replace("absent", "unknown")
    (tmp_path / "fixes.csv").write_text(f"{header}\n{edited}\n")
    fixed, changed = apply_label_fixes(listing, tmp_path / "fixes.csv")
    assert changed == 1
    assert _states(fixed)["a.jpg"] == (set(), {"=cat", "dog"})


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ("c.jpg,dog,present,absent", r"line 2: 'c\.jpg' must be an image"),
        ("a.jpg,cow,present,absent", "line 2: 'cow' must be a label"),
        ("a.jpg,dog,absent,unknown", "must be absent as when .* it is present"),
        ("a.jpg,dog,present,no", "line 2: `corrected` must be"),
    ],
)
def test_names_the_line_that_does_not_fit(listing, tmp_path, row, rule):
    (tmp_path / "fixes.csv").write_text(f"path,label,given,corrected\n{row}\n")
    with pytest.raises(ValueError, match=rule):
        apply_label_fixes(listing, tmp_path / "fixes.csv")


def test_what_a_row_does_not_list_is_what_the_dataset_says(tmp_path):
    boxes = Boxes(("dog", "cat"), np.zeros((2, 4), np.float32))
    row = ImageRow(2, "a.jpg", ("dog", "cat"), boxes=boxes, absent=("cow",))
    fixes = [
        LabelFix("a.jpg", "dog", "present", "absent"),
        LabelFix("a.jpg", "cat", "present", "unknown"),
        LabelFix("a.jpg", "cow", "absent", "present"),
        LabelFix("a.jpg", "pig", "unknown", "absent"),
    ]
    write_label_fixes(tmp_path / "fixes.csv", fixes)
    names = ("dog", "cat", "cow", "pig")
    listing = Listing([row], "a.csv", ".", names, unlisted="unknown")
    fixed, changed = apply_label_fixes(listing, tmp_path / "fixes.csv")
    assert changed == 4
    assert fixed.rows[0].labels == ("cow",)
    assert fixed.rows[0].absent == ("dog", "pig") and not fixed.rows[0].unknown
    assert fixed.rows[0].boxes.names == () and not len(fixed.rows[0].boxes.corners)

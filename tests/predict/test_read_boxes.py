import pytest

from kmlic.predict import read_boxes

HEAD = "path,x1,y1,x2,y2\n"


def test_finds_the_boxes_of_images_beside_the_file_and_widens_them(tmp_path):
    file = tmp_path / "boxes.csv"
    file.write_text("x1,y1,x2,y2,path,note\n5,2,25,38,img/a.jpg,x\n0,0,9,9,../b.jpg,\n")
    assert read_boxes(file) == {
        str(tmp_path / "img/a.jpg"): (5, 2, 25, 38),
        str(tmp_path.parent / "b.jpg"): (0, 0, 9, 9),
    }
    wide = read_boxes(file, margin=0.1)
    # 2 pixels and 3.6 around the first; left and top of an image are an end.
    assert list(wide.values()) == [(3, 0, 27, 42), (0, 0, 10, 10)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,x1,y1,x2\na.jpg,1,2,3\n", "boxes.csv line 1: must have the columns"),
        (HEAD + "a.jpg,1,2,3,4\nb.jpg,3,0,2,9\n", "line 3: .* got 3, 0, 2, 9"),
        (HEAD + "a.jpg,1,2,3\n", "line 2: a box must be integer pixels"),
        (HEAD + "a.jpg,1,-2,3,4\n", "line 2: a box must be integer pixels"),
    ],
)
def test_says_which_line_is_no_box(tmp_path, content, message):
    (tmp_path / "boxes.csv").write_text(content)
    with pytest.raises(ValueError, match=message):
        read_boxes(tmp_path / "boxes.csv")


def test_says_what_else_does_not_fit(tmp_path):
    with pytest.raises(ValueError, match="there is no such file"):
        read_boxes(tmp_path / "boxes.csv")
    with pytest.raises(ValueError, match="margin=-1"):
        read_boxes(tmp_path / "boxes.csv", margin=-1)


@pytest.mark.parametrize("row", [b"x" * 200_000 + b",1,2,3,4", b"\xff.jpg,1,2,3,4"])
def test_names_the_line_that_is_no_csv(tmp_path, row):
    path = tmp_path / "boxes.csv"
    path.write_bytes(b"path,x1,y1,x2,y2\n" + row)
    with pytest.raises(ValueError, match=r"boxes\.csv must be .* row 2"):
        read_boxes(path)


def test_an_image_has_one_box(tmp_path):
    path = tmp_path / "boxes.csv"
    header = "path,x1,y1,x2,y2\n"
    path.write_text(f"{header}a.jpg,1,1,5,5\na.jpg,1,1,5,5\n")
    assert len(read_boxes(path)) == 1
    path.write_text(f"{header}a.jpg,1,1,5,5\na.jpg,2,1,5,5\n")
    with pytest.raises(ValueError, match="line 3: an image must have one box"):
        read_boxes(path)

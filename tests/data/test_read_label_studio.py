import json

import pytest

from kmlic.data import ReadingOptions
from kmlic.data.read_label_studio import read_label_studio


def read(tmp_path, content, **options):
    (tmp_path / "tasks.json").write_text(json.dumps(content))
    return read_label_studio(tmp_path / "tasks.json", ReadingOptions(**options))


def result(*labels, name="choice", kind="choices"):
    return {"from_name": name, "type": kind, "value": {kind: list(labels)}}


def task(*annotations, image="/data/upload/1/1.jpg"):
    done = [{"was_cancelled": False, "result": own} for own in annotations]
    return {"data": {"id": "7", "image": image}, "annotations": done}


def test_an_image_has_the_labels_of_all_its_annotations(tmp_path):
    (tmp_path / "1.jpg").touch()
    tasks = [task([result("Dog")], [result("Dog", "Cat")]), task([result("Sofa")])]
    listing = read(tmp_path, tasks)
    (row,) = listing.rows
    assert (row.path, row.labels) == ("1.jpg", ("Dog", "Cat", "Sofa"))
    assert listing.findings[1].rows == [["/data/upload/1/1.jpg"]]


def test_shapes_and_paths_of_a_taxonomy_are_labels(tmp_path):
    shapes = result("Dog", kind="rectanglelabels", name="box")
    taxonomy = {"value": {"taxonomy": [["Animal", "Cat"]]}}
    (row,) = read(tmp_path, [task([shapes, taxonomy])]).rows
    assert row.labels == ("Dog", "Animal / Cat")
    (row,) = read(tmp_path, [task([shapes, taxonomy])], labels_column="box").rows
    assert row.labels == ("Dog",)


def test_finds_uploaded_images_by_their_own_names(tmp_path):
    (tmp_path / "a b.jpg").touch()
    for image in (
        "/data/upload/1/0a1b2c3d-a%20b.jpg",
        "/data/local-files/?d=photos/a%20b.jpg",
        "s3://bucket/a b.jpg",
        "http://host:8080/data/upload/a%20b.jpg",
    ):
        assert (
            read(tmp_path, [task([result("Dog")], image=image)]).rows[0].path
            == "a b.jpg"
        )


def test_uploaded_images_may_have_kept_their_names(tmp_path):
    (tmp_path / "0a1b2c3d-1.jpg").touch()
    (row,) = read(tmp_path, [task([result("Dog")], image="0a1b2c3d-1.jpg")]).rows
    assert row.path == "0a1b2c3d-1.jpg"


def test_images_of_one_name_in_two_folders_stay_apart(tmp_path):
    names = "1.jpg", "a/1.jpg", "b/1.jpg"
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    rows = read(tmp_path, [task([result("Dog")], image=name) for name in names]).rows
    assert tuple(row.path for row in rows) == names
    assert not any(row.problem for row in rows)


def test_tasks_without_an_annotation_are_left_out_and_counted(tmp_path):
    listing = read(tmp_path, [task(), task([result("Dog")], image="/2.jpg"), task([])])
    assert len(listing.rows) == 2 and listing.findings[0].count == 1
    minimal = [{"image": "/1.jpg"}, {"image": "/2.jpg", "choice": "Dog"}]
    listing = read(tmp_path, minimal)
    assert [row.row for row in listing.rows] == [2] and listing.findings[0].count == 1


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ({}, "must hold a list of tasks"),
        ([1], "row 1: a task must be an object"),
        (
            [{"data": {"text": "x"}}],
            r"row 1: a task must name an image; got \['text'\]",
        ),
        ([{"data": 3}], "row 1: a task must name an image; got 3"),
        ([{"data": {"image": "1.jpg"}, "annotations": [3]}], "row 1: must be a task"),
    ],
)
def test_names_the_row_that_is_no_task(tmp_path, content, rule):
    with pytest.raises(ValueError, match=rule):
        read(tmp_path, content)

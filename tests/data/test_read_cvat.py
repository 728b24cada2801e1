import pytest

from kmlic.data import ReadingOptions
from kmlic.data.read_cvat import read_cvat


def read(tmp_path, text):
    (tmp_path / "annotations.xml").write_text(text)
    return read_cvat(tmp_path / "annotations.xml", ReadingOptions())


def test_tags_and_shapes_have_labels(tmp_path):
    first, second, third = read(
        tmp_path,
        "<annotations><version>1.1</version>"
        '<image name="a.jpg" subset="Validation"><tag label="dog"/>'
        '<box label="cat" xtl="0"/><box label="dog"/></image>'
        '<image name="b.jpg" subset="default"/><image name="c.jpg"><tag/></image>'
        "</annotations>",
    ).rows
    assert (first.row, first.labels, first.split) == (1, ("dog", "cat"), "validation")
    assert (second.labels, second.split, second.problem) == ((), "", "")
    assert third.problem == "a tag and a shape must have a label"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("<annotations>", "must be CVAT's XML; got no element|must be CVAT's XML; got"),
        ("<annotation/>", "with the element annotations; got annotation"),
        ('<?xml version="1.0" encoding="foo"?><annotations/>', "must be CVAT's XML"),
    ],
)
def test_names_the_file_that_is_no_such_xml(tmp_path, text, rule):
    with pytest.raises(ValueError, match=rule):
        read(tmp_path, text)


def test_entities_do_not_grow(tmp_path):
    entities = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 12))
    entities = f'<!DOCTYPE a [<!ENTITY l0 "lol">{entities}]>'
    text = f"{entities}<annotations>&l11;</annotations>"
    with pytest.raises(ValueError, match="must be CVAT's XML"):
        read(tmp_path, text)


def test_an_export_for_video_is_named_so(tmp_path):
    box = '<box frame="0" xtl="1" ytl="1" xbr="2" ybr="2"/>'
    text = f'<annotations><track id="0" label="dog">{box}</track></annotations>'
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(ValueError, match="it is an export for video"):
        read_cvat(tmp_path / "a.xml", ReadingOptions())

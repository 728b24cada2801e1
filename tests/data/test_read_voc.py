import pytest

from kmlic.data import from_voc
from kmlic.data.read_voc import read_voc
from kmlic.data.reading_options import ReadingOptions
from tests.data.files import encode, picture

SIZES = {"image_size": 8, "batch_size": 2}


def annotation(file_name, *things):
    objects = "".join(
        f"<object><name>{name}</name><difficult>{difficult}</difficult></object>"
        for name, difficult in things
    )
    return f"<annotation><filename>{file_name}</filename>{objects}</annotation>"


@pytest.fixture
def folder(tmp_path):
    for name in ("Annotations", "JPEGImages"):
        (tmp_path / name).mkdir()
    for number in range(12):
        image = encode(picture(seed=number), "JPEG")
        (tmp_path / "JPEGImages" / f"{number}.jpg").write_bytes(image)
        things = [("dog", 0), ("dog", 1), ("sofa", 1)] if number % 2 else [("cat", 0)]
        text = annotation(f"{number}.jpg", *things)
        (tmp_path / "Annotations" / f"{number}.xml").write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("difficult", "target"), [("unknown", -1), ("present", 1), ("absent", 0)]
)
def test_labels_with_difficult_objects_only_are_what_is_asked(
    folder, difficult, target
):
    names = ("cat", "dog", "sofa")
    data = from_voc(
        folder, ReadingOptions(difficult=difficult), label_names=names, **SIZES
    )
    for split, paths in data.paths.items():
        for path, targets in zip(paths, data.targets[split].tolist(), strict=True):
            odd = int(path.removeprefix("JPEGImages/")[:-4]) % 2
            assert targets == ([0, 1, target] if odd else [1, 0, 0])


def test_a_name_without_a_suffix_is_that_of_one_image(folder):
    (folder / "Annotations" / "3.xml").write_text(annotation("3", ("dog", 0)))
    rows = {row.path: row for row in read_voc(folder, ReadingOptions()).rows}
    assert rows["JPEGImages/3.jpg"].labels == ("dog",)
    (folder / "JPEGImages" / "3.png").write_bytes(encode(picture(), "PNG"))
    (problem,) = filter(
        None, (r.problem for r in read_voc(folder, ReadingOptions()).rows)
    )
    assert "must be named by one path; '3' may be JPEGImages/3." in problem


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("<annotation>", "3.xml: must be VOC's XML; got no element found"),
        ("<annotation/>", "3.xml: must be VOC's XML; got no filename"),
        ("", "3.xml: .*it is empty"),
        (annotation("3.jpg", ("", 0)), "3.xml: .* an object without a name"),
        (annotation("../../3.jpg"), "the path must stay inside"),
        (annotation("33.jpg"), "33.jpg must exist"),
        (annotation("2.jpg"), r"JPEGImages/3\.xml|'JPEGImages/2\.jpg' is listed twice"),
    ],
)
def test_refuses_broken_annotations_by_name(folder, text, rule):
    (folder / "Annotations" / "3.xml").write_text(text)
    with pytest.raises(ValueError, match=rule):
        from_voc(folder, **SIZES)


def test_entities_that_grow_are_refused_at_once(folder):
    doubled = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    entities = f'<!DOCTYPE a [<!ENTITY e0 "0123456789">{doubled}]>'
    text = entities + "<annotation>&e11;</annotation>"
    (folder / "Annotations" / "3.xml").write_text(text)
    with pytest.raises(ValueError, match=r"3\.xml: must be VOC's XML"):
        from_voc(folder, **SIZES)


def test_refuses_wrong_arguments_and_other_folders(folder):
    with pytest.raises(ValueError, match="difficult='ignore'"):
        from_voc(folder, ReadingOptions(difficult="ignore"), **SIZES)
    with pytest.raises(ValueError, match="must hold XML files"):
        from_voc(folder / "JPEGImages", **SIZES)


def test_an_unknown_encoding_is_the_fault_of_its_file(tmp_path):
    folder = tmp_path / "Annotations"
    folder.mkdir()
    (folder / "a.xml").write_text('<?xml version="1.0" encoding="foo"?><annotation/>')
    (row,) = read_voc(tmp_path, ReadingOptions()).rows
    assert row.path == "Annotations/a.xml" and "unknown encoding" in row.problem


@pytest.mark.parametrize("encoding", ["gbk", "shift_jis", "utf-16", "iso-8859-1"])
def test_reads_the_encoding_that_a_file_declares(tmp_path, encoding):
    name = "caf\xe9" if encoding == "iso-8859-1" else "\u72ac"
    name = "dog" if encoding == "utf-16" else name
    text = (
        f'<?xml version="1.0" encoding="{encoding}"?><annotation><filename>1.jpg'
        f"</filename><object><name>{name}</name></object></annotation>"
    )
    (tmp_path / "1.xml").write_bytes(text.encode(encoding))
    (row,) = read_voc(tmp_path, ReadingOptions()).rows
    assert (row.labels, row.problem) == ((name,), "")


@pytest.mark.parametrize(
    "place", ["JPEGImages/1.png", "images/1.png", "1.png", "a/1.png"]
)
def test_finds_an_image_without_its_suffix(tmp_path, place):
    for name in (place, "SegmentationClass/1.txt", "Annotations/1.xml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    text = "<annotation><filename>1</filename></annotation>"
    (tmp_path / "Annotations/1.xml").write_text(text)
    (row,) = read_voc(tmp_path, ReadingOptions()).rows
    assert row.path == place

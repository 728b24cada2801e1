"""Every format of own images, in the layout that its tools write."""

import csv
import io
import json

import numpy as np
import pytest

from kmlic.data import ReadingOptions, inspect_rows, read_listing
from tests.data.files import encode, picture

COUNT = 24
NAMES = ("Dog", "eye closed", "Sofa")
# The labels of image i; some have none.
LABELS = [tuple(NAMES[k] for k in range(3) if i >> k & 1) for i in range(COUNT)]
# The first half is for training, then three images each.
SPLITS = [
    "train" if i < 12 else "validation" if i < 18 else "test" for i in range(COUNT)
]


def draw(folder, names, *, kind="JPEG", seed=0):
    """Draws different images; every name is a path below the folder."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(picture(seed=seed + number), kind))


def table(rows, **dialect):
    file = io.StringIO()
    csv.writer(file, **dialect).writerows(rows)
    return file.getvalue()


def numbered(pattern="{}.jpg"):
    return [pattern.format(i) for i in range(COUNT)]


def roboflow(folder):
    for own, split in (("train", "train"), ("valid", "validation"), ("test", "test")):
        lines = ["filename, Dog, eye closed, Sofa"]
        for i in range(COUNT):
            if SPLITS[i] == split:
                draw(folder / own, [f"{i}_jpg.rf.{i:02x}.jpg"], seed=i)
                marks = ", ".join(str(int(name in LABELS[i])) for name in NAMES)
                lines.append(f"{i}_jpg.rf.{i:02x}.jpg, {marks}")
        (folder / own / "_classes.csv").write_text("\n".join(lines))
    return folder


def open_images(folder):
    draw(folder, numbered("train/{:016x}.jpg"))
    rows = [("ImageID", "Source", "LabelName", "Confidence")]
    for i in range(COUNT):
        for name in NAMES[:2]:  # the third label is verified rarely
            rows.append((f"{i:016x}", "verification", name, int(name in LABELS[i])))
        if "Sofa" in LABELS[i]:
            rows.append((f"{i:016x}", "verification", "Sofa", 1))
    (folder / "train.csv").write_text(table(rows))
    return folder / "train.csv"


def planet(folder):
    draw(folder, numbered("train-jpg/train_{}.jpg"))
    rows = [("image_name", "tags")]
    rows += [
        (f"train_{i}", " ".join(n.replace(" ", "_") for n in LABELS[i]))
        for i in range(COUNT)
    ]
    (folder / "train_v2.csv").write_text(table(rows))
    return folder / "train_v2.csv"


def imaterialist(folder):
    draw(folder, numbered("train/{:05x}f.png"), kind="PNG")
    rows = [("id", "attribute_ids")]
    for i in range(COUNT):
        ids = " ".join(str(NAMES.index(name)) for name in LABELS[i])
        rows.append((f"{i:05x}f", ids))
    (folder / "train.csv").write_text(table(rows))
    names = [("attribute_id", "attribute_name"), *enumerate(NAMES)]
    (folder / "names.csv").write_text(table(names))
    return folder / "train.csv", {"rename": folder / "names.csv"}


def nih(folder):
    draw(folder, numbered("images_001/images/{}.png"), kind="PNG")
    rows = [("Image Index", "Finding Labels", "Follow-up #", "Patient ID")]
    rows += [
        (f"{i}.png", "|".join(LABELS[i]) or "No Finding", 0, i // 2)
        for i in range(COUNT)
    ]
    (folder / "Data_Entry_2017.csv").write_text(table(rows))
    return folder / "Data_Entry_2017.csv", {"group_column": "Patient ID"}


def chexpert(folder):
    draw(folder, numbered("train/patient{}/study1/view1_frontal.jpg"))
    rows = [("Path", "Sex", "Age", "Frontal/Lateral", *NAMES)]
    for i in range(COUNT):
        marks = ["1.0" if name in LABELS[i] else "" for name in NAMES]
        marks[0] = marks[0] or "0.0"
        if i == 0:
            marks[1] = "-1.0"
        path = f"train/patient{i}/study1/view1_frontal.jpg"
        rows.append((path, "Female", 60 + i, "Frontal", *marks))
    (folder / "train.csv").write_text(table(rows))
    return folder / "train.csv"


def lightly(folder):
    draw(folder, numbered("images/{}.jpg"))
    rows = [("image_path", "label")]
    rows += [(f"images/{i}.jpg", ",".join(LABELS[i])) for i in range(COUNT)]
    (folder / "labels.csv").write_text(table(rows))
    return folder


def fastai(folder):
    draw(folder, numbered())
    rows = [("fname", "labels", "is_valid")]
    for i in range(COUNT):
        text = " ".join(name.replace(" ", "_") for name in LABELS[i])
        rows.append((f"{i}.jpg", text, SPLITS[i] != "train"))
    (folder / "train.csv").write_text(table(rows))
    return folder / "train.csv"


def hugging_face_lines(folder):
    for own in ("train", "validation", "test"):
        rows = [i for i in range(COUNT) if SPLITS[i] == own]
        draw(folder / own, [f"{i}.png" for i in rows], kind="PNG", seed=rows[0])
        lines = [{"file_name": f"{i}.png", "labels": list(LABELS[i])} for i in rows]
        text = "\n".join(map(json.dumps, lines))
        (folder / own / "metadata.jsonl").write_text(text)
    return folder


def hugging_face_table(folder):
    for own in ("train", "validation", "test"):
        rows = [i for i in range(COUNT) if SPLITS[i] == own]
        draw(folder / own, [f"{i}.png" for i in rows], kind="PNG", seed=rows[0])
        cells = [
            ("file_name", "labels"),
            *((f"{i}.png", json.dumps(LABELS[i])) for i in rows),
        ]
        (folder / own / "metadata.csv").write_text(table(cells))
    return folder


def vertex(folder):
    draw(folder, numbered("photos/{}.jpg"))
    words = {"train": "TRAINING", "validation": "VALIDATION", "test": "TEST"}
    rows = [
        (words[SPLITS[i]], f"gs://bucket/photos/{i}.jpg", *LABELS[i])
        for i in range(COUNT)
    ]
    (folder / "import.csv").write_text(table(rows))
    return folder / "import.csv"


def vertex_unassigned(folder):
    path = vertex(folder)
    text = path.read_text()
    for word in ("TRAINING", "VALIDATION", "TEST"):
        text = text.replace(word, "UNASSIGNED")
    path.write_text(text)
    return path


def label_studio(folder):
    draw(folder, numbered("upload/1/{}.jpg"))
    tasks = []
    for i in range(COUNT):
        result = {"from_name": "choice", "to_name": "img", "type": "choices"}
        result["value"] = {"choices": list(LABELS[i])}
        canceled = {"was_cancelled": True, "result": [{"value": {"choices": ["no"]}}]}
        own = {"was_cancelled": False, "result": [result]}
        image = f"/data/upload/1/{i}.jpg"
        tasks.append(
            {"id": i, "data": {"image": image}, "annotations": [canceled, own]}
        )
    tasks.append(
        {"id": 99, "data": {"image": "/data/upload/1/0.jpg"}, "annotations": []}
    )
    (folder / "project-1.json").write_text(json.dumps(tasks))
    return folder / "project-1.json"


def label_studio_minimal(folder):
    draw(folder, numbered())
    tasks = []
    for i in range(COUNT):
        choice = LABELS[i][0] if len(LABELS[i]) == 1 else {"choices": list(LABELS[i])}
        image = f"/data/upload/1/{i:08x}-{i}.jpg"
        task = {"image": image, "id": i, "choice": choice, "annotator": 1}
        tasks.append({**task, "annotation_id": i, "lead_time": 1.5})
    (folder / "minimal.json").write_text(json.dumps(tasks))
    return folder / "minimal.json"


def label_studio_table(folder):
    draw(folder, numbered())
    rows = [("annotation_id", "annotator", "choice", "id", "image", "lead_time")]
    for i in range(COUNT):
        cell = (
            json.dumps({"choices": list(LABELS[i])})
            if len(LABELS[i]) > 1
            else "".join(LABELS[i])
        )
        rows.append((i, 1, cell, i, f"/data/upload/1/{i}.jpg", 2.5))
    (folder / "project.csv").write_text(table(rows))
    return folder / "project.csv"


def cvat(folder):
    draw(folder, numbered("images/{}.jpg"))
    images = []
    for i in range(COUNT):
        tags = "".join(f'<tag label="{name}" source="manual"/>' for name in LABELS[i])
        images.append(
            f'<image id="{i}" name="{i}.jpg" width="9" height="9">{tags}</image>'
        )
    text = f"<version>1.1</version>{''.join(images)}"
    text = f'<?xml version="1.0" encoding="utf-8"?><annotations>{text}</annotations>'
    (folder / "annotations.xml").write_text(text)
    return folder


def fiftyone(folder):
    draw(folder, numbered("data/{}.jpg"))
    samples = [
        {
            "filepath": f"/home/me/fiftyone/data/{i}.jpg",
            "tags": [SPLITS[i]],
            "metadata": None,
            "ground_truth": {
                "_cls": "Classifications",
                "classifications": [{"label": name} for name in LABELS[i]],
            },
        }
        for i in range(COUNT)
    ]
    (folder / "samples.json").write_text(json.dumps({"samples": samples}))
    return folder


def danbooru(folder):
    names = {"Dog": "miku_\\(vocaloid\\)", "eye closed": "eye_closed", "Sofa": "^_^"}
    draw(folder, numbered())
    for i in range(COUNT):
        tags = ", ".join(names[name] for name in LABELS[i])
        (folder / f"{i}.txt").write_text(tags)
    return folder


def coco(folder):
    draw(folder, numbered("val/2014/{}.jpg"))
    names = [{"id": f"{k}", "name": name} for k, name in enumerate(NAMES)]
    content = {
        "info": {},
        "images": [{"id": f"a{i}", "file_name": f"2014/{i}.jpg"} for i in range(COUNT)],
        "categories": [*names, {"id": "9", "name": "never used"}],
        "annotations": [
            {"image_id": f"a{i}", "category_id": f"{NAMES.index(name)}", "iscrowd": 1}
            for i in range(COUNT)
            for name in LABELS[i]
        ],
    }
    (folder / "instances.JSON").write_text(json.dumps(content))
    return folder / "instances.JSON"


def voc(folder, *, images="JPEGImages", suffix=".jpg", encoding="utf-8"):
    draw(folder, numbered(f"{images}/{{}}.jpg"))
    (folder / "Annotations").mkdir()
    for i in range(COUNT):
        objects = "".join(f"<object><name>{n}</name></object>" for n in LABELS[i])
        text = (
            f'<?xml version="1.0" encoding="{encoding}"?><annotation><folder>é</folder>'
            f"<filename>{i}{suffix}</filename>{objects}</annotation>"
        )
        (folder / f"Annotations/{i}.xml").write_bytes(text.encode(encoding, "replace"))
    return folder


OWN = {"train": "train", "validation": "valid", "test": "test"}


def coco_content(numbers, first=1):
    categories = [{"id": k + first, "name": name} for k, name in enumerate(NAMES)]
    return {
        "images": [{"id": i, "file_name": f"{i}.jpg"} for i in numbers],
        "categories": [{"id": 0, "name": "all"}, *categories],
        "annotations": [
            {"image_id": i, "category_id": NAMES.index(name) + first}
            for i in numbers
            for name in LABELS[i]
        ],
    }


def roboflow_coco(folder):
    for split, own in OWN.items():
        numbers = [i for i in range(COUNT) if SPLITS[i] == split]
        draw(folder / own, [f"{i}.jpg" for i in numbers], seed=numbers[0])
        text = json.dumps(coco_content(numbers))
        (folder / own / "_annotations.coco.json").write_text(text)
    return folder


def coco_2017(folder, images="{}2017"):
    (folder / "annotations").mkdir()
    for split, own in (("train", "train"), ("validation", "val"), ("test", "test")):
        numbers = [i for i in range(COUNT) if SPLITS[i] == split]
        place = folder / images.format(own)
        draw(place, [f"{i}.jpg" for i in numbers], seed=numbers[0])
        text = json.dumps(coco_content(numbers))
        (folder / f"annotations/instances_{own}2017.json").write_text(text)
        other = folder / f"annotations/captions_{own}2017.json"
        other.write_text('{"images": [], "annotations": []}')
    return folder


def yolo(folder, images="images/{}/{}.jpg", texts="labels/{}/{}.txt"):
    for i in range(COUNT):
        own = OWN[SPLITS[i]]
        draw(folder, [images.format(own, i)], seed=i)
        lines = [f"{NAMES.index(name)} 0.5 0.5 0.2 0.1" for name in LABELS[i]]
        path = folder / texts.format(own, i)
        path.parent.mkdir(parents=True, exist_ok=True)
        if lines:  # an image without objects has no file
            path.write_text("\n".join(lines * 2))
    names = "names:\n  0: Dog\n  1: eye closed\n  2: 'Sofa'\n"
    (folder / "data.yaml").write_text("train: images/train\n" + names)
    return folder


def roboflow_yolo(folder):
    yolo(folder, images="{}/images/{}.jpg", texts="{}/labels/{}.txt")
    (folder / "data.yaml").write_text("nc: 3\nnames: ['Dog', 'eye closed', 'Sofa']\n")
    (folder / "README.dataset.txt").write_text("cc by")
    return folder


def label_studio_yolo(folder):
    yolo(folder, images="images/{1}.jpg", texts="labels/{1}.txt")
    (folder / "data.yaml").unlink()
    (folder / "classes.txt").write_text("\n".join(NAMES))
    (folder / "notes.json").write_text('{"categories": [], "info": {}}')
    return folder


def roboflow_voc(folder):
    voc(folder)
    for i in range(COUNT):
        own = folder / OWN[SPLITS[i]]
        own.mkdir(exist_ok=True)
        (folder / f"JPEGImages/{i}.jpg").rename(own / f"{i}.jpg")
        (folder / f"Annotations/{i}.xml").rename(own / f"{i}.xml")
    return folder


def voc_devkit(folder):
    (folder / "VOC2007").mkdir()
    voc(folder / "VOC2007")
    sets = folder / "VOC2007/ImageSets/Main"
    sets.mkdir(parents=True)
    lines = {
        "train": [f"{i}" for i in range(12)],
        "val": [f"{i}" for i in range(12, 18)],
        "trainval": [f"{i}" for i in range(18)],
        "test": [f"{i}" for i in range(18, COUNT)],
        "Dog_train": [f"{i} -1" for i in range(12)],
    }
    for name, own in lines.items():
        (sets / f"{name}.txt").write_text("\n".join(own) + "\n")
    return folder


def voc_lower_case(folder):
    voc(folder, images="images")
    (folder / "Annotations").rename(folder / "annotations")
    return folder


def folders(folder):
    one = [i for i in range(COUNT) if LABELS[i]]
    for i in one:
        for name in LABELS[i]:  # the same image in the folder of each of its labels
            draw(
                folder / SPLITS[i].replace("validation", "val") / name,
                [f"{i}.jpg"],
                seed=i,
            )
    return folder


def same(labels):
    return labels


def underscored(labels):
    return tuple(name.replace(" ", "_") for name in labels)


def tags(labels):
    names = {"Dog": "miku (vocaloid)", "eye closed": "eye closed", "Sofa": "^_^"}
    return tuple(names[name] for name in labels)


# Writes the tree; what its labels are called; whether splits are given.
FORMATS = {
    "Roboflow": (roboflow, same, True),
    "Planet": (planet, underscored, False),
    "iMaterialist": (imaterialist, same, False),
    "NIH ChestX-ray14": (nih, same, False),
    "lightly-train": (lightly, same, False),
    "Hugging Face metadata.jsonl": (hugging_face_lines, same, True),
    "Hugging Face metadata.csv": (hugging_face_table, same, True),
    "Vertex": (vertex, same, True),
    "Vertex unassigned": (vertex_unassigned, same, False),
    "Label Studio JSON": (label_studio, same, False),
    "Label Studio JSON-MIN": (label_studio_minimal, same, False),
    "Label Studio CSV": (label_studio_table, same, False),
    "CVAT 1.1": (cvat, same, False),
    "FiftyOne": (fiftyone, same, True),
    "Danbooru": (danbooru, tags, False),
    "COCO": (coco, same, False),
    "VOC": (voc, same, False),
    "VOC without suffix": (lambda f: voc(f, suffix=""), same, False),
    "VOC in images": (lambda f: voc(f, images="images"), same, False),
    "Roboflow COCO": (roboflow_coco, same, True),
    "COCO 2017": (coco_2017, same, True),
    "COCO 2017 in images": (lambda f: coco_2017(f, "images/{}2017"), same, True),
    "YOLO": (yolo, same, True),
    "Roboflow YOLO": (roboflow_yolo, same, True),
    "Label Studio YOLO": (label_studio_yolo, same, False),
    "Roboflow VOC": (roboflow_voc, same, True),
    "VOCdevkit": (voc_devkit, same, True),
    "VOC in lower case": (voc_lower_case, same, False),
    "VOC in GBK": (lambda f: voc(f, encoding="gbk"), same, False),
    "VOC in UTF-16": (lambda f: voc(f, encoding="utf-16"), same, False),
}


@pytest.mark.parametrize("name", FORMATS)
def test_reads_images_labels_and_splits(tmp_path, name):
    write, called, given = FORMATS[name]
    written = write(tmp_path)
    path, options = written if isinstance(written, tuple) else (written, {})
    listing = read_listing(path, ReadingOptions(**options)).require_no_errors()
    rows = inspect_rows(listing)
    assert rows.skipped == () and len(rows.images) == COUNT
    expected = [called(labels) for labels in LABELS]
    assert set(rows.names) == {name for labels in expected for name in labels}
    found = {row.path: set(row.labels) for row in rows.images}
    read = [found[row.path] for row in sorted(rows.images, key=lambda r: order(r.path))]
    assert read == list(map(set, expected))
    assert all(not row.unknown for row in rows.images)
    splits = [row.split for row in sorted(rows.images, key=lambda r: order(r.path))]
    assert splits == (SPLITS if given else [""] * COUNT)
    assert "--layout" in listing.summary


def order(path):
    """The number of an image, which is decimal or hexadecimal."""
    name = path.rpartition("/")[2].partition(".")[0]
    if name.endswith("f"):
        return int(name[:-1], 16)
    return int("".join(filter(str.isdigit, name)))


def test_open_images_says_what_is_absent_and_the_rest_is_unknown(tmp_path):
    listing = read_listing(open_images(tmp_path))
    rows = inspect_rows(listing)
    assert rows.names == ("Dog", "Sofa", "eye closed") and len(rows.images) == COUNT
    expected = [[name in labels for name in rows.names] for labels in LABELS]
    expected = np.array(expected, int)
    expected[:, 1][expected[:, 1] == 0] = -1
    np.testing.assert_array_equal(rows.dense_targets(), expected)


def test_chexpert_leaves_what_blank_means_to_the_user(tmp_path):
    path = chexpert(tmp_path)
    expected = np.array([[name in labels for name in NAMES] for labels in LABELS], int)
    absent = inspect_rows(read_listing(path, ReadingOptions(blank="absent")))
    assert absent.names == NAMES
    expected[0, 1] = -1
    np.testing.assert_array_equal(absent.dense_targets(), expected)
    unknown = inspect_rows(read_listing(path)).dense_targets()
    blank = (expected == 0) & (np.arange(3) > 0)
    np.testing.assert_array_equal(unknown, np.where(blank, -1, expected))
    titles = [finding.title for finding in read_listing(path).findings]
    assert "Columns that are not used" in titles


def test_images_of_a_patient_stay_in_one_split(tmp_path):
    path, options = nih(tmp_path)
    rows = inspect_rows(read_listing(path, ReadingOptions(**options)))
    assert [row.group for row in rows.images] == [str(i // 2) for i in range(COUNT)]
    split = rows.split(fractions=(0.5, 0.25, 0.25))
    np.testing.assert_array_equal(split[::2], split[1::2])


def test_fastai_has_a_validation_split_and_no_test_split(tmp_path):
    rows = inspect_rows(read_listing(fastai(tmp_path)))
    assert np.bincount(rows.split(), minlength=3).tolist() == [12, 12, 0]
    assert [set(row.labels) for row in rows.images] == [
        set(underscored(labels)) for labels in LABELS
    ]


def test_an_image_in_two_label_folders_has_both_labels(tmp_path):
    listing = read_listing(folders(tmp_path))
    labelled = [i for i in range(COUNT) if LABELS[i]]
    assert len(listing.rows) == len(labelled)
    for row in listing.rows:
        number = int(row.path.rpartition("/")[2].partition(".")[0])
        assert set(row.labels) == set(LABELS[number])
        assert row.split == SPLITS[number]


def test_splits_may_be_below_the_folders_of_labels(tmp_path):
    draw(tmp_path, ["cat/train/1.jpg", "cat/val/2.jpg", "dog/train/3.jpg"])
    rows = read_listing(tmp_path).rows
    assert [(row.labels, row.split) for row in rows] == [
        (("cat",), "train"),
        (("cat",), "validation"),
        (("dog",), "train"),
    ]


@pytest.mark.parametrize(
    ("names", "rule"),
    [
        (["cat/day0/1.jpg", "cat/day1/2.jpg", "dog/day0/3.jpg"], "first is cat, dog, "),
        (["cat/1.jpg", "cat/deep/2.jpg", "dog/3.jpg"], "last cat, deep, dog"),
        (["train/1.jpg", "val/2.jpg"], "images in train, val"),
        (["train2017/1.jpg", "val2017/2.jpg"], "images in train2017, val2017"),
        (["train/images/1.jpg", "val/images/2.jpg"], "images in images"),
        (["JPEGImages/1.jpg"], "images in JPEGImages"),
        (["cat/1.jpg", "dog/2.jpg", "other/1.xml"], "1 file may .*: other/1.xml"),
        (["cat/1.jpg", "dog/2.jpg", "dog/2.jpg.json"], "may .*: dog/2.jpg.json"),
        (["cat/1.jpg", "dog/2.jpg", "dog/3.jpg", "dog/3.txt"], "may .*: dog/3.txt"),
        (["cat/1.jpg", "dog/2.jpg", "a/b/c/coco.json"], "may .*: a/b/c/coco.json"),
        (["cat/1.jpg", "dog/2.jpg", "data.yaml"], "may .*: data.yaml"),
    ],
)
def test_folders_that_may_not_be_labels_are_refused(tmp_path, names, rule):
    draw(tmp_path, [name for name in names if name.endswith(".jpg")])
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        if not name.endswith(".jpg"):
            (tmp_path / name).write_text('{"annotations": []}')
    with pytest.raises(ValueError, match=f"{rule}.*--layout folders"):
        read_listing(tmp_path)
    listing = read_listing(tmp_path, ReadingOptions(layout="folders"))
    assert all(row.labels for row in listing.rows)


def test_files_that_label_nothing_leave_folders_to_be_labels(tmp_path):
    draw(tmp_path, ["all/cat/1.jpg", "all/dog/2.jpg"])
    (tmp_path / "README.txt").write_text("photos")
    (tmp_path / "all/cat/notes.txt").write_text("cats")
    (tmp_path / "licence.json").write_text('{"name": "cc by"}')
    rows = read_listing(tmp_path).rows
    assert [row.labels for row in rows] == [("cat",), ("dog",)]


def test_the_folder_to_give_is_named(tmp_path):
    voc_devkit(tmp_path)
    with pytest.raises(ValueError, match=r"Give the folder above it, .*VOC2007\."):
        read_listing(tmp_path / "VOC2007/Annotations")
    (tmp_path / "VOC2012").mkdir()
    voc(tmp_path / "VOC2012")
    with pytest.raises(ValueError, match=r"those of VOC2007, VOC2012\. Give one"):
        read_listing(tmp_path)


@pytest.mark.parametrize(("name", "line"), [("val", 3), ("test", 3), ("test", 17)])
def test_an_image_in_two_splits_of_voc_is_named(tmp_path, name, line):
    path = voc_devkit(tmp_path) / f"VOC2007/ImageSets/Main/{name}.txt"
    path.write_text(path.read_text() + f"{line}\n")
    with pytest.raises(ValueError, match=rf"{name}\.txt must list .* '{line}' is"):
        read_listing(tmp_path)


def test_categories_used_in_one_file_of_coco_are_labels_of_all(tmp_path):
    listing = read_listing(roboflow_coco(tmp_path))
    assert listing.label_names == list(NAMES)
    (note,) = [f for f in listing.findings if "no annotation has" in f.title]
    assert note.rows == [["all"]]


def test_images_of_yolo_without_a_file_have_no_label(tmp_path):
    listing = read_listing(yolo(tmp_path))
    counts = {finding.title: finding.count for finding in listing.findings}
    assert counts["Images without a file of boxes"] == LABELS.count(())
    (tmp_path / "data.yaml").unlink()
    with pytest.raises(ValueError, match=r"must name its classes; .*classes\.txt"):
        read_listing(tmp_path)


@pytest.mark.parametrize(
    ("dialect", "mark"),
    [
        ({"delimiter": ";"}, "utf-8"),
        ({"delimiter": "\t"}, "utf-8"),
        ({"lineterminator": "\r\n"}, "utf-8-sig"),
        ({"quoting": csv.QUOTE_ALL}, "utf-16"),
    ],
)
@pytest.mark.parametrize("wide", [False, True])
def test_dialects_of_tables(tmp_path, dialect, mark, wide):
    draw(tmp_path, numbered("photos/{}.JPG"))
    yes = ("True", "False")
    rows = [("File Name", *NAMES, "") if wide else ("File Name", "Labels", "")]
    for i in range(COUNT):
        marks = [yes[0] if name in LABELS[i] else yes[1] for name in NAMES]
        cells = marks if wide else [", ".join(LABELS[i])]
        rows.append((f"photos\\{i}.JPG", *cells, ""))
    path = tmp_path / "table.csv"
    path.write_bytes(table(rows, **dialect).encode(mark))
    found = inspect_rows(read_listing(path))
    assert found.skipped == () and len(found.images) == COUNT
    assert [set(row.labels) for row in found.images] == list(map(set, LABELS))

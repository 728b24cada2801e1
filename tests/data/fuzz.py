"""Random damage to files, and a process of its own that reads what is left.

`python -m tests.data.fuzz FOLDER COUNT SEED` damages files in a folder, reads them and
prints how many of each kind were refused and the most memory that this took.
"""

import json
import sys
from pathlib import Path

import numpy as np

from kmlic.data import (
    ReadingOptions,
    from_csv,
    inspect_rows,
    read_image,
    read_listing,
)
from kmlic.run_folder import peak_memory_gb
from tests.data.files import encode, picture

IMAGES = ("JPEG", "PNG", "GIF", "WEBP")
# File to its layout; those in a folder are read with their folder.
TABLES = {
    "labels.csv": "csv",
    "labels.tsv": "csv",
    "open_images.csv": "csv",
    "vertex.csv": "csv",
    "rows.jsonl": "json_lines",
    "instances.json": "coco",
    "tasks.json": "label_studio",
    "minimal.json": "label_studio",
    "samples.json": "fiftyone",
    "images.xml": "cvat",
    "Annotations/a.xml": "voc",
    "train/_classes.csv": "tables",
    "tags/a.txt": "tags",
}
# What breaks parsers rather than pixels.
_STRANGE = (
    b'"',
    b"\0",
    b"\n\n,",
    b"\xff\xfe",
    b"1e999999",
    b"[" * 2000,
    b"&lol;",
    b"..",
)


def damage(data, random):
    """Changes, cuts, repeats or overwrites parts of a file, up to four times."""
    data = bytearray(data)
    for _ in range(random.integers(1, 5)):
        start = int(random.integers(0, max(len(data), 1)))
        length = int(random.integers(1, 64))
        part = data[start : start + length]
        kind = random.integers(0, 6)
        if kind == 0:
            for place in random.integers(0, max(len(data), 1), 8):
                data[place : place + 1] = bytes([random.integers(0, 256)])
        elif kind == 1:
            del data[start:]
        elif kind == 2:
            data[start:start] = part * int(random.integers(1, 200))
        elif kind == 3:
            data[start : start + length] = random.bytes(length)
        elif kind == 4:
            data[start : start + length] = bytes(len(part))
        else:
            data[start:start] = _STRANGE[random.integers(0, len(_STRANGE))]
    return bytes(data)


def whole_files(number):
    """Returns a valid file of each kind."""
    image = picture(60, 80, seed=number)
    files = {f"{kind.lower()}": encode(image, kind) for kind in IMAGES}
    rows = [(f"{row}.jpg", "dog|cat" if row % 2 else "dog") for row in range(12)]
    files["labels.csv"] = "\n".join(["path,labels", *map(",".join, rows)]).encode()
    files["labels.tsv"] = "\n".join(
        ["path\tdog\tcat", *(f"{path}\t1\t{len(x) > 3:d}" for path, x in rows)]
    ).encode()
    files["instances.json"] = json.dumps(
        {
            "images": [
                {"id": i, "file_name": path} for i, (path, _) in enumerate(rows)
            ],
            "categories": [{"id": 1, "name": "dog"}],
            "annotations": [{"image_id": i, "category_id": 1} for i in range(12)],
        }
    ).encode()
    names = [(path, labels.split("|")) for path, labels in rows]
    verified = [f"{path},v,{name},1" for path, own in names for name in own]
    files["open_images.csv"] = "\n".join(
        ["ImageID,Source,LabelName,Confidence", *verified]
    ).encode()
    files["vertex.csv"] = "\n".join(
        f"TRAINING,gs://b/{path},{','.join(own)}" for path, own in names
    ).encode()
    files["train/_classes.csv"] = "\n".join(
        ["filename, dog, cat", *(f"{path}, 1, {len(own) - 1}" for path, own in names)]
    ).encode()
    files["rows.jsonl"] = "\n".join(
        json.dumps({"file_name": path, "labels": own}) for path, own in names
    ).encode()
    files["tasks.json"] = json.dumps(
        [
            {
                "data": {"image": f"/data/upload/1/{path}"},
                "annotations": [{"result": [{"value": {"choices": own}}]}],
            }
            for path, own in names
        ]
    ).encode()
    files["minimal.json"] = json.dumps(
        [{"image": path, "choice": {"choices": own}} for path, own in names]
    ).encode()
    files["samples.json"] = json.dumps(
        {
            "samples": [
                {
                    "filepath": path,
                    "ground_truth": {"classifications": [{"label": n} for n in own]},
                }
                for path, own in names
            ]
        }
    ).encode()
    tags = "".join(
        f'<image name="{path}"><tag label="{own[0]}"/></image>' for path, own in names
    )
    files["images.xml"] = f"<annotations>{tags}</annotations>".encode()
    files["tags/a.txt"] = rb"1girl, long_hair, miku_\(vocaloid\)"
    files["Annotations/a.xml"] = (
        b"<annotation><filename>a.jpg</filename><object><name>dog</name>"
        b"<difficult>0</difficult></object></annotation>"
    )
    return files


def read_damaged_images(folder, count, random):
    """Damages images, and gives how many are refused by name or skipped."""
    folder.mkdir()
    lines, refused = ["path,labels"], 0
    for number in range(count):
        kind = IMAGES[number % len(IMAGES)].lower()
        path = folder / f"{number}.{kind}"
        path.write_bytes(damage(whole_files(number)[kind], random))
        lines.append(f"{path.name},dog")
        try:
            pixels = read_image(path, max_pixels=10_000_000)
            assert pixels.dtype == np.uint8 and pixels.shape[2:] == (3,)
        except ValueError as error:
            assert path.name in str(error)
            refused += 1
    for number in range(12):  # some that are whole, so that there is a dataset
        name = f"whole-{number}.jpg"
        (folder / name).write_bytes(encode(picture(seed=1000 + number), "JPEG"))
        lines.append(f"{name},cat")
    (folder / "labels.csv").write_text("\n".join(lines))
    data = from_csv(
        folder / "labels.csv",
        image_size=16,
        batch_size=4,
        on_error="skip",
        max_pixels=10_000_000,
    )
    assert len(data.skipped) == refused
    assert sum(data.sizes.values()) == count + 12 - refused
    for dataset in (data.train_in_order, data.validation, data.test):
        for images, _ in dataset:
            assert np.isfinite(images).all()
    return refused


def read_damaged_tables(folder, count, random):
    """Damages lists of images, and gives how many are refused, whole or in a row."""
    refused = 0
    for number in range(count):
        name, layout = list(TABLES.items())[number % len(TABLES)]
        path = folder / str(number) / name
        path.parent.mkdir(parents=True)
        path.write_bytes(damage(whole_files(number)[name], random))
        if layout == "tags":
            path.with_suffix(".jpg").write_bytes(encode(picture(), "JPEG"))
        source = path.parents[1] if "/" in name else path
        reading = ReadingOptions(layout=layout if random.integers(0, 2) else None)
        try:
            rows = inspect_rows(read_listing(source, reading), check="none")
            refused += bool(rows.skipped)
            assert all(bad.reason for bad in rows.skipped)
        except ValueError as error:
            # Names of labels, too, may be what is wrong.
            assert str(source) in str(error) or "`names` must" in str(error)
            refused += 1
    return refused


def main(folder, count, seed):
    random = np.random.default_rng(seed)
    images = read_damaged_images(Path(folder) / "images", count // 2, random)
    tables = read_damaged_tables(Path(folder) / "tables", count - count // 2, random)
    megabytes = 1000 * peak_memory_gb()
    sys.stdout.write(json.dumps([images, tables, megabytes]) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

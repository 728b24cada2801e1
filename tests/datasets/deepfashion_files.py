"""A challenge's folder small enough to write for each test."""

import numpy as np

from kmlic.datasets.deepfashion import ATTRIBUTE_GROUPS
from tests.data.files import encode, picture


def write_challenge(folder, train=40, val=8, test=5):
    """Writes img/ and split/ as they are distributed; classes follow the index."""
    (folder / "img").mkdir(parents=True)
    (folder / "split").mkdir()
    names = [
        f"{name:<20} {index}"
        for index, members in enumerate(ATTRIBUTE_GROUPS.values(), start=1)
        for name in members
    ]
    lines = [str(len(names)), "attribute_name   attribute_type", *names]
    write_lines(folder / "split/list_attr_cloth.txt", lines)
    sizes = np.array([len(members) for members in ATTRIBUTE_GROUPS.values()])
    first = 0
    for split, count in (("train", train), ("val", val), ("test", test)):
        paths = [f"img/{index:05}.jpg" for index in range(first, first + count)]
        for index, path in enumerate(paths, start=first):
            (folder / path).write_bytes(encode(picture(40, 30, seed=index), "JPEG"))
        write_lines(folder / f"split/{split}.txt", paths)
        write_lines(folder / f"split/{split}_bbox.txt", ["005 002 025 038"] * count)
        if split != "test":
            rows = [" ".join(map(str, index % sizes)) for index in range(count)]
            write_lines(folder / f"split/{split}_attr.txt", rows)
        first += count
    return folder


def write_lines(path, lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def change_line(path, number, text):
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[number - 1] = text
    write_lines(path, lines)

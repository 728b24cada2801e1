"""Tiny-ImageNet, 200 labels, from its folder."""

import dataclasses
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Unpack

import numpy as np

from kmlic.data.build_from_listing import RowOptions, build_from_listing
from kmlic.data.image_row import ImageRow, Listing
from kmlic.data.multi_label_data import MultiLabelData
from kmlic.data.storage import read_lines


def load_tiny_imagenet(
    data_dir: str | Path,
    *,
    validation_fraction: float = 0.05,
    **options: Unpack[RowOptions],
) -> MultiLabelData:
    """Loads Tiny-ImageNet as it is distributed, or a part of it.

    A label is the first synonym of its class; `synonyms` has all of them, `identifiers`
    their WordNet ids. The published validation images are the test split; a random part
    of the training images of each class is the validation split.

    Args:
        data_dir: the folder with wnids.txt, words.txt, train/<WordNet id>/ and val/
            (images/ and val_annotations.txt).
        validation_fraction: fraction 0-1 of the training images of each class; at least
            one image.
        **options: image_size (theirs is 64) and batch_size, both required, and what
            else `build_from_listing` takes.

    Raises:
        ValueError: naming the file and the line that breaks a rule.

    Example:
        >>> load_tiny_imagenet("photos", image_size=64, batch_size=8)
        Traceback (most recent call last):
            ...
        ValueError: photos/wnids.txt must exist; there is no such file.
    """
    root = Path(data_dir)
    if not 0 < validation_fraction < 1:
        raise ValueError(
            "`validation_fraction` must be above 0 and below 1; got "
            f"validation_fraction={validation_fraction}."
        )
    synonyms = _read_synonyms(root)
    names = _name(synonyms)
    rows = [
        *_training_rows(root, names, validation_fraction, options.get("seed", 0)),
        *_annotated_rows(root, names),
    ]
    own = {"validation_fraction": validation_fraction}
    listing = Listing(rows, root, root, tuple(names.values()), "tiny_imagenet", own)
    data = build_from_listing(listing, **options)
    kept = data.labels.names
    return dataclasses.replace(
        data,
        labels=dataclasses.replace(
            data.labels, groups={"class": kept}, exclusive=len(kept) > 1
        ),
        synonyms={names[wnid]: words for wnid, words in synonyms.items()},
        identifiers={name: wnid for wnid, name in names.items()},
    )


def _read_synonyms(root: Path) -> dict[str, tuple[str, ...]]:
    wnids = [line for _, line in _lines(root / "wnids.txt")]
    words: dict[str, tuple[str, ...]] = {}
    path = root / "words.txt"
    for number, line in _lines(path):
        wnid, separator, text = line.partition("\t")
        parts = tuple(part.strip() for part in text.split(",") if part.strip())
        if not separator or not parts:
            raise ValueError(
                f"{path} line {number}: must be an id, a tab and words; got {line!r}."
            )
        words[wnid.strip()] = parts
    missing = [wnid for wnid in wnids if wnid not in words]
    if missing:
        raise ValueError(
            f"{path} must give words to every id of wnids.txt; it lacks {missing[:5]}."
        )
    return {wnid: words[wnid] for wnid in wnids}


def _name(synonyms: dict[str, tuple[str, ...]]) -> dict[str, str]:
    counts = Counter(words[0] for words in synonyms.values())
    return {
        wnid: words[0] if counts[words[0]] == 1 else f"{words[0]} ({wnid})"
        for wnid, words in synonyms.items()
    }


def _training_rows(
    root: Path, names: dict[str, str], fraction: float, seed: int
) -> Iterator[ImageRow]:
    random = np.random.default_rng(seed)
    for wnid, name in names.items():
        folder = root / "train" / wnid
        images = sorted(folder.rglob("*.JPEG"))
        if len(images) < 2:
            raise ValueError(
                f"{folder} must hold two or more images, for training and validation; "
                f"it holds {len(images)}."
            )
        count = min(max(1, round(fraction * len(images))), len(images) - 1)
        held = set(random.permutation(len(images))[:count].tolist())
        for index, image in enumerate(images):
            split = "validation" if index in held else "train"
            yield ImageRow(0, image.relative_to(root).as_posix(), (name,), split=split)


def _annotated_rows(root: Path, names: dict[str, str]) -> Iterator[ImageRow]:
    path = root / "val" / "val_annotations.txt"
    for number, line in _lines(path):
        image, *rest = line.split("\t")
        wnid = rest[0].strip() if rest else ""
        if wnid not in names:
            raise ValueError(
                f"{path} line {number}: must be an image, a tab and an id of "
                f"wnids.txt; got {line!r}."
            )
        yield ImageRow(
            number, f"val/images/{image.strip()}", (names[wnid],), split="test"
        )


def _lines(path: Path) -> list[tuple[int, str]]:
    return [(i, line) for i, line in enumerate(read_lines(path), start=1) if line]

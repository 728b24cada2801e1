"""A list of image files and their labels to a dataset, with everything checked."""

import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypedDict

import numpy as np
import tensorflow as tf

from kmlic.data.check_images import ImageCheck, check_images
from kmlic.data.decoding import MAX_BYTES, MAX_PIXELS, decode_image, decode_plain
from kmlic.data.multi_label_data import SPLITS, Boxes, MultiLabelData, SkippedRow
from kmlic.data.pipeline import CACHE_LIMIT, build_batches, fits_in_cache
from kmlic.data.splits import read_splits, split_images
from kmlic.labels import Labels

# Problems that an error spells out; the others it counts.
_SHOWN = 20

_log = logging.getLogger(__name__)


class ImageRow(NamedTuple):
    """Holds one image as its dataset's file lists it.

    Args:
        row: line of the file, for errors; 0 where errors should give the path.
        path: of the image, relative to the dataset's root.
        labels: names of the labels that are present.
        unknown: names of the labels that are neither present nor absent.
        split: "train", "validation", "test", or "" where none is given.
        caption: a text, or "".
        group: images of one group stay in one split; "" is no group.
        boxes: where its labels are; given for all images or for none.
        problem: the rule that the line itself breaks, or "".
    """

    row: int
    path: str
    labels: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    split: str = ""
    caption: str = ""
    group: str = ""
    boxes: Boxes | None = None
    problem: str = ""


class RowOptions(TypedDict, total=False):
    """Names the arguments that every reader of own data hands to `build_from_rows`."""

    label_names: Sequence[str] | str | Path | None
    label_groups: Mapping[str, Sequence[str]] | None
    seed: int
    on_error: Literal["raise", "skip"]
    fractions: Sequence[float]
    splitting: str | Path
    augmentation: str
    cache: bool
    check: Literal["decode", "header"]
    max_bytes: int
    max_pixels: int


def build_from_rows(
    rows: Sequence[ImageRow],
    *,
    source: str | Path,
    root: str | Path,
    image_size: int,
    batch_size: int,
    label_names: Sequence[str] | str | Path | None = None,
    label_groups: Mapping[str, Sequence[str]] | None = None,
    seed: int = 0,
    on_error: Literal["raise", "skip"] = "raise",
    fractions: Sequence[float] = (0.7, 0.1, 0.2),
    splitting: str | Path = "stratified",
    augmentation: str = "flip",
    cache: bool = True,
    check: Literal["decode", "header"] = "decode",
    max_bytes: int = MAX_BYTES,
    max_pixels: int = MAX_PIXELS,
) -> MultiLabelData:
    """Checks, splits and batches image files that some file or folder lists.

    Nothing is left out unless `on_error` asks for it. Exact copies of an image, found
    by their SHA-256, stay in one split; those with different labels are logged.

    Args:
        rows: one per image.
        source: the file or folder the rows come from, for errors.
        root: folder that the paths are relative to and may not leave.
        image_size: side in pixels that images are resized to.
        batch_size: images a batch.
        label_names: names in the order of the model's outputs, or a text file with one
            a line; the sorted names found when None.
        label_groups: group name to the labels it holds.
        seed: of splits, order and augmentation.
        on_error: "raise" one error that names up to 20 bad rows and counts the others,
            or "skip" and list them in `skipped`.
        fractions: of training, validation and test images.
        splitting: "stratified" by labels, "random", or a CSV that
            `MultiLabelData.write_splits` wrote. Rows that name their split keep it.
        augmentation: of training images, see `augment`.
        cache: whether to keep decoded images in memory while they fit in 2 GiB.
        check: "decode" every image once now, or read each one's "header" only.
        max_bytes: most bytes of an image file.
        max_pixels: most pixels of an image.

    Raises:
        ValueError: naming the file, the row and the rule.
    """
    if on_error not in ("raise", "skip"):
        raise ValueError(
            f'`on_error` must be "raise" or "skip"; got on_error={on_error!r}.'
        )
    if not rows:
        raise ValueError(f"{source} must list at least one image; it lists none.")
    root = Path(root)
    known = _read_names(label_names)
    problems = [row.problem for row in rows]
    _check_rows(rows, root, known, problems)
    wanted = [index for index, problem in enumerate(problems) if not problem]
    checks: dict[int, ImageCheck] = dict(
        zip(
            wanted,
            check_images(
                [root / rows[index].path for index in wanted],
                depth=check,
                max_bytes=max_bytes,
                max_pixels=max_pixels,
            ),
            strict=True,
        )
    )
    for index, result in checks.items():
        problems[index] = result.problem
    skipped = _report(rows, problems, source, on_error)
    kept = [index for index, problem in enumerate(problems) if not problem]
    if not kept:
        raise ValueError(
            f"{source} must list at least one usable image; all {len(rows)} rows were "
            "skipped."
        )
    images = [rows[index] for index in kept]
    checked = [checks[index] for index in kept]
    names = known or tuple(sorted({name for row in images for name in row.labels}))
    if not names:
        raise ValueError(f"{source} must give at least one image a label.")
    labels = Labels(
        names,
        groups={k: tuple(v) for k, v in label_groups.items()} if label_groups else None,
        image_size=image_size,
    )
    targets = _targets(images, labels)
    digests = [result.digest for result in checked]
    duplicates = len(digests) - len(set(digests))
    split = _split(images, targets, digests, source, splitting, fractions, seed)
    straddling = _straddling(digests, split)
    if duplicates:
        _log.info("%s: %d surplus exact copies of images", source, duplicates)
    _warn_of_conflicts(images, targets, digests, source)
    if straddling:
        _log.warning(
            "%s: %d images have exact copies in another split, because the splits are "
            "given; scores on them are too good",
            source,
            straddling,
        )
    headers = [result.header for result in checked if result.header is not None]
    plain = np.array([header.plain for header in headers])
    in_memory = cache and fits_in_cache(
        sum(header.width * header.height * 3 for header in headers), CACHE_LIMIT
    )
    loader = FileLoader(max_bytes, max_pixels)
    datasets, split_targets, paths = {}, {}, {}
    boxes: dict[str, tuple[Boxes, ...]] = {}
    for number, name in enumerate(SPLITS):
        (members,) = np.nonzero(split == number)
        paths[name] = tuple(images[index].path for index in members)
        split_targets[name] = targets[members]
        own = [box for index in members if (box := images[index].boxes) is not None]
        if own:
            boxes[name] = tuple(own)
        files = [os.fspath(root / path) for path in paths[name]]
        elements = tf.data.Dataset.from_tensor_slices(
            ((files, plain[members]), split_targets[name])
        )
        for key in (name, "train_in_order") if name == "train" else (name,):
            datasets[key] = build_batches(
                elements,
                loader.plain if plain[members].all() else loader.any,
                image_size=image_size,
                batch_size=batch_size,
                training=key == "train",
                seed=seed,
                augmentation=augmentation,
                cache=in_memory and key != "train_in_order",
            )
    captions = tuple(images[index].caption for index in np.nonzero(split == 0)[0])
    return MultiLabelData(
        **datasets,
        labels=labels,
        targets=split_targets,
        paths=paths,
        captions=captions if any(captions) else (),
        boxes=boxes,
        skipped=skipped,
        duplicates=duplicates,
    )


class FileLoader:
    """Reads and decodes files inside a tf.data pipeline, within the same limits."""

    def __init__(self, max_bytes: int, max_pixels: int) -> None:
        self._limits = {"max_bytes": max_bytes, "max_pixels": max_pixels}

    def plain(self, reference: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """Decodes a file of which it is known that it is plain."""
        return decode_plain(tf.io.read_file(reference[0]))

    def any(self, reference: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """Decodes a file, plain or not, as the reference says."""
        path, plain = reference
        data = tf.io.read_file(path)
        image = tf.cond(
            plain,
            lambda: decode_plain(data),
            lambda: tf.numpy_function(self._decode, [data, path], tf.uint8),
        )
        return tf.ensure_shape(image, (None, None, 3))

    def _decode(self, data: bytes, path: bytes) -> np.ndarray:
        return decode_image(data, name=os.fsdecode(path), **self._limits)


def _read_names(label_names: Sequence[str] | str | Path | None) -> tuple[str, ...]:
    if label_names is None:
        return ()
    if not isinstance(label_names, str | Path):
        return Labels(tuple(label_names)).names
    if not Path(label_names).is_file():
        raise ValueError(
            f"{label_names} must be a file with a label a line; there is no such file."
        )
    try:
        text = Path(label_names).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{label_names} must be UTF-8 text; got {error}.") from error
    names = [line.strip() for line in text.splitlines()]
    while names and not names[-1]:
        names.pop()
    for number, name in enumerate(names, start=1):
        if not name or name in names[: number - 1]:
            raise ValueError(
                f"{label_names} row {number}: a label must be a text that stands once; "
                f"got {name!r}."
            )
    if not names:
        raise ValueError(f"{label_names} must list at least one label; it is empty.")
    return tuple(names)


def _check_rows(
    rows: Sequence[ImageRow], root: Path, known: Sequence[str], problems: list[str]
) -> None:
    top = os.path.abspath(root)  # noqa: PTH100 - resolve would follow links
    allowed = set(known)
    seen: dict[str, int] = {}
    for index, row in enumerate(rows):
        if problems[index]:
            continue
        place = os.path.normpath(os.path.join(top, row.path))  # noqa: PTH118
        unknown = sorted({*row.labels, *row.unknown} - allowed) if known else []
        if not row.path:
            problems[index] = "the path must not be empty"
        elif "\0" in row.path or os.path.commonpath((top, place)) != top:
            problems[index] = f"the path must stay inside {root}; got {row.path!r}"
        elif place in seen:
            first = f"in row {seen[place]} already" if seen[place] else "twice"
            problems[index] = f"an image must stand once; {row.path!r} stands {first}"
        elif unknown:
            problems[index] = (
                f"labels must be among the {len(known)} known ones; got {unknown}"
            )
        elif row.split and row.split not in SPLITS:
            problems[index] = f"split must be one of {SPLITS}; got {row.split!r}"
        seen.setdefault(place, row.row)


def _report(
    rows: Sequence[ImageRow],
    problems: Sequence[str],
    source: str | Path,
    on_error: str,
) -> tuple[SkippedRow, ...]:
    skipped = tuple(
        SkippedRow(row.row, row.path, problem)
        for row, problem in zip(rows, problems, strict=True)
        if problem
    )
    if not skipped:
        return ()
    lines = [
        f"{source} {f'row {bad.row}' if bad.row else bad.path}: {bad.reason}"
        for bad in skipped[:_SHOWN]
    ]
    if len(skipped) > _SHOWN:
        lines.append(f"... and {len(skipped) - _SHOWN} more")
    if on_error == "raise":
        raise ValueError(
            "\n".join(
                [
                    f"{source} must list usable images; {len(skipped)} of {len(rows)} "
                    'are not. Mend them, or leave them out with on_error="skip".',
                    *lines,
                ]
            )
        )
    _log.warning(
        "%s: %d of %d rows skipped\n%s",
        source,
        len(skipped),
        len(rows),
        "\n".join(lines),
    )
    return skipped


def _targets(images: Sequence[ImageRow], labels: Labels) -> np.ndarray:
    column = {name: index for index, name in enumerate(labels.names)}
    targets = np.zeros((len(images), len(labels)), np.int8)
    for index, row in enumerate(images):
        targets[index, [column[name] for name in row.unknown if name in column]] = -1
        targets[index, [column[name] for name in row.labels]] = 1
    return targets


def _split(
    images: Sequence[ImageRow],
    targets: np.ndarray,
    digests: Sequence[bytes],
    source: str | Path,
    splitting: str | Path,
    fractions: Sequence[float],
    seed: int,
) -> np.ndarray:
    given = [row.split for row in images]
    if splitting not in ("stratified", "random") and not any(given):
        splits = read_splits(splitting)
        missing = [row for row in images if row.path not in splits]
        if missing:
            raise ValueError(
                f"{splitting} must give every image of {source} a split; "
                f"{len(missing)} have none, the first is {missing[0].path!r}."
            )
        given = [splits[row.path] for row in images]
        source = splitting
    if not any(given):
        return split_images(
            targets,
            fractions=fractions,
            groups=(digests, [row.group or None for row in images]),
            method="random" if splitting == "random" else "stratified",
            seed=seed,
        )
    if not all(given):
        first = images[given.index("")]
        raise ValueError(
            f"{source} row {first.row}: every row must name its split, or none; "
            f"{first.path!r} has none."
        )
    counts = Counter(given)
    if len(counts) < len(SPLITS):
        raise ValueError(
            f"{source} must put at least one image in each of {SPLITS}; got "
            f"{dict(counts)}."
        )
    return np.array([SPLITS.index(name) for name in given], np.int8)


def _warn_of_conflicts(
    images: Sequence[ImageRow],
    targets: np.ndarray,
    digests: Sequence[bytes],
    source: str | Path,
) -> None:
    first: dict[bytes, int] = {}
    pairs = []
    for index, digest in enumerate(digests):
        original = first.setdefault(digest, index)
        if (targets[original] != targets[index]).any():
            pairs.append((images[original].path, images[index].path))
    if pairs:
        _log.warning(
            "%s: %d images have other labels than their exact copies; at most one of "
            "each is right: %s",
            source,
            len(pairs),
            "; ".join(f"{one} and {other}" for one, other in pairs[:_SHOWN]),
        )


def _straddling(digests: Sequence[bytes], split: np.ndarray) -> int:
    places: dict[bytes, set[int]] = {}
    for digest, number in zip(digests, split.tolist(), strict=True):
        places.setdefault(digest, set()).add(number)
    return sum(len(places[digest]) > 1 for digest in digests)

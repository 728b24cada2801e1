"""The second stage: what a frozen backbone sees, computed once for every image."""

import dataclasses
import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from kmlic.atomic_write import atomic_write
from kmlic.backbones import split_backbone
from kmlic.classifier.budget import Budget
from kmlic.classifier.images import Images
from kmlic.classifier.protocol import FEW
from kmlic.models import POOL

SIZES = (128, 160, 192, 224, 256, 288, 320, 384, 448)
# Small images gain from being enlarged, at least to what backbones were trained on.
_MOST_ENLARGED = 1.5
_SMALLEST = 224
# Of the time left; what reads images and keeps features comes on top of what is timed.
_SHARE_OF_REST = 0.25
_BATCH = 16
_CHUNK = 64
_MOST_MAP_BYTES = 1.5e9
MOST_ACTIVATION_BYTES = 4e9
_TIMED_BATCHES = 3
_SMALLER = 0.714
_LEAST_PROBABILITY = 1e-3
_SMALLEST_CROP = 0.75  # of each side

Classifier = tuple[np.ndarray, np.ndarray]


@dataclasses.dataclass(frozen=True, eq=False)
class Features:
    """Holds what the backbone gives for every image and its mirror image.

    Args:
        pooled: (2, N, D) float32, plain and mirrored, see `pooled_features`.
        widths: channels of the last feature map and of the one before it.
        maps: (2, N, H, W, C) float16, the last feature map; None where all of them
            would take too much room.
        activations: (2, N, H, W, C) float16, at the layer where fine-tuning starts;
            None where they were not asked for, the backbone has no such layer, or they
            would take too much room.
        views: (2, N, D) float32 arrays of other views, see `views_features`; none of
            many images.
        image_size: side in pixels of the images that the backbone saw.
        seconds: time per image, both ways round.
        fingerprint: identifies backbone, images and size.
    """

    pooled: np.ndarray
    widths: tuple[int, int]
    maps: np.ndarray | None
    activations: np.ndarray | None
    views: tuple[np.ndarray, ...]
    image_size: int
    seconds: float
    fingerprint: str

    def columns(self, earlier: bool) -> slice:
        """Returns the features of both maps, or those of the last one alone."""
        last, before = self.widths
        return slice(0, None) if earlier else slice(before, before + 2 * last)


def images_per_batch(image_size: int) -> int:
    """Returns how many images of a size run at once, so that memory stays bounded.

    Example:
        >>> images_per_batch(224), images_per_batch(448)
        (16, 4)
    """
    return max(min(_BATCH * _SMALLEST**2 // image_size**2, _BATCH), 1)


def pooled_features(
    maps: Sequence[keras.KerasTensor], prefix: str = "", *, earlier: bool = True
) -> keras.KerasTensor:
    """Returns the pooled features (B, D) of a backbone's feature maps.

    They are, in this order: averages of the earlier feature map, averages of the last
    one, maxima of the last one, maxima of the earlier one. The maps pass a layer named
    "pool", through which `activation_maps` explains what stands on the features.

    Args:
        maps: two or more, the last one last.
        prefix: of the names of layers.
        earlier: whether the map before the last one takes part.
    """
    before, last = maps[-2:]
    channels = int(last.shape[-1])
    joined, around = last, 0
    if earlier:
        # In windows of one place of the last map: their averages' average is the
        # average, and their maxima's maximum the maximum.
        window = -(-before.shape[1] // last.shape[1])
        around = int(before.shape[-1])
        average = keras.layers.AveragePooling2D(
            window, padding="same", dtype="float32", name=f"{prefix}average_before"
        )
        maximum = keras.layers.MaxPooling2D(
            window, padding="same", dtype="float32", name=f"{prefix}maximum_before"
        )
        join = keras.layers.Concatenate(dtype="float32", name=f"{prefix}maps")
        joined = join([average(before), last, maximum(before)])
    joined = keras.layers.Identity(dtype="float32", name=f"{prefix}{POOL}")(joined)
    average_all = keras.layers.GlobalAveragePooling2D(
        dtype="float32", name=f"{prefix}averages"
    )
    maximum_all = keras.layers.GlobalMaxPooling2D(
        dtype="float32", name=f"{prefix}maxima"
    )
    pooled = [
        average_all(joined)[:, : around + channels],
        maximum_all(joined)[:, around:],
    ]
    return keras.layers.Concatenate(dtype="float32", name=f"{prefix}features")(pooled)


def views_features(
    images: keras.KerasTensor,
    maps: Sequence[keras.KerasTensor],
    backbone: keras.Model,
    classifier: Classifier | None,
) -> list[keras.KerasTensor]:
    """Returns what else a backbone sees in images, each (B, D).

    It is, first, the pooled features of the images at seven tenths of their size,
    unless that is too small. Second, where the backbone's own classifier is known, the
    logarithm of the highest probability of each of its classes in any window of half
    the image's side.

    Args:
        images: (B, S, S, 3).
        maps: feature maps of the images.
        backbone: takes images of any size.
        classifier: kernel (C, K) and bias (K,) on averages of the last feature map.
    """
    found = []
    size = round(_SMALLER * images.shape[1])
    if size >= _SMALLEST:
        # Not `keras.layers.Resizing`: a SavedModel computes something else with it.
        smaller = keras.ops.image.resize(
            images, (size, size), data_format="channels_last"
        )
        found.append(pooled_features(backbone(smaller), "smaller_"))
    if classifier is not None:
        kernel, bias = classifier
        last = maps[-1]
        windows = keras.layers.AveragePooling2D(
            -(-last.shape[1] // 2), 1, dtype="float32", name="windows"
        )
        dense = keras.layers.Dense(
            len(bias), "softmax", dtype="float32", name="classes"
        )
        highest = keras.layers.GlobalMaxPooling2D(dtype="float32", name="highest")
        probabilities = highest(dense(windows(last)))
        dense.set_weights([kernel, bias])
        found.append(keras.ops.log(probabilities + _LEAST_PROBABILITY))
    return found


def largest_size(
    images: Images,
    build: Callable[[int | None], keras.Model],
    folder: Path,
    budget: Budget,
) -> int:
    """Returns the largest size whose features take about a quarter of the time left.

    A run that goes on after an interruption has another time left, and must find its
    features; a run with more minutes never takes smaller images. Images that were
    resized before are not enlarged.

    Args:
        images: of all splits.
        build: see `features`.
        folder: where what was chosen is kept.
        budget: whose time is left.
    """
    folder.mkdir(parents=True, exist_ok=True)
    backbone = build(_SMALLEST)
    record = folder / "sizes.json"
    known = json.loads(record.read_text()) if record.exists() else {}
    weights = hashlib.sha256(_weights_of(backbone)).hexdigest()[:12]
    policy = backbone.layers[-1].compute_dtype
    chosen = known.setdefault(f"{images.fingerprint} {weights} {policy}", {})
    largest = max(_SMALLEST, _MOST_ENLARGED * images.side)
    if images.image_size is not None:
        largest = images.image_size
    sizes = [size for size in SIZES if size <= largest]
    minutes = f"{budget.seconds / 60:g}"
    if minutes not in chosen:
        budget.do("features", "measuring how long an image takes")
        seconds = _measure(backbone) / _SMALLEST**2
        seconds *= 1 + _are_few(images) * _SMALLER**2
        allowed = _SHARE_OF_REST * budget.left / (2 * len(images.targets) * seconds)
        fitting = [size for size in sizes if size**2 <= allowed]
        fitting += [
            size for other, size in chosen.items() if float(other) < float(minutes)
        ]
        chosen[minutes] = max(fitting, default=SIZES[0])
        with atomic_write(record) as temporary:
            temporary.write_text(json.dumps(known))
    if chosen[minutes] < max(sizes):
        budget.wish("larger images")
    return int(chosen[minutes])


def features(
    images: Images,
    build: Callable[[int | None], keras.Model],
    folder: Path,
    budget: Budget,
    *,
    classifier: Classifier | None = None,
    image_size: int,
    activations: bool = False,
) -> Features:
    """Runs a frozen backbone over all images and their mirror images, or finds that.

    The arrays are kept under a name that follows from the backbone's weights and the
    images, so that another run finds them; an interrupted run goes on with the block
    of images that was cut off.

    Args:
        images: of all splits.
        build: side in pixels, None for any, to a backbone with two or more feature
            maps.
        folder: where features are kept.
        budget: pays for what is found, and shows progress.
        classifier: see `views_features`.
        image_size: side in pixels.
        activations: whether to keep those that fine-tuning starts from.

    Raises:
        ValueError: if the features of an image are not finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    size, count = image_size, len(images.targets)
    few = _are_few(images)
    keras.backend.clear_session()
    backbone = build(None)
    pixels = keras.Input((size, size, 3), name="images")
    cut = None
    parts = cut_backbone(build(size)) if activations else None
    if parts is None:
        maps = backbone(pixels)
    else:
        lower, upper = parts
        cut = lower(pixels)
        maps = upper(cut)
    outputs = {"pooled": pooled_features(maps)}
    if few:
        views = views_features(pixels, maps, backbone, classifier)
        outputs |= {f"view {number}": view for number, view in enumerate(views)}
    if 4 * count * np.prod(maps[-1].shape[1:]) <= _MOST_MAP_BYTES:
        outputs["maps"] = maps[-1]
    if cut is not None and 4 * count * np.prod(cut.shape[1:]) <= MOST_ACTIVATION_BYTES:
        outputs["activations"] = cut
    extractor = keras.Model(pixels, list(outputs.values()))
    shapes = {name: output.shape for name, output in outputs.items()}
    identity = hashlib.sha256(f"{images.fingerprint} {size} {shapes}".encode())
    identity.update(_weights_of(extractor))
    identity.update(backbone.layers[-1].compute_dtype.encode())
    arrays, seconds = compute_outputs(
        images,
        np.arange(count),
        extractor,
        size,
        folder / f"features-{identity.hexdigest()[:24]}",
        budget,
    )
    text = f"{count:,} images and their mirror images at {size} pixels"
    budget.say("features", text + f" in {seconds:.0f} s")
    found = dict(zip(outputs, arrays, strict=True))
    return Features(
        pooled=found["pooled"],
        widths=(int(maps[-1].shape[-1]), int(maps[-2].shape[-1])),
        maps=found.get("maps"),
        activations=found.get("activations"),
        views=tuple(found[name] for name in outputs if name.startswith("view ")),
        image_size=size,
        seconds=seconds / count,
        fingerprint=identity.hexdigest(),
    )


def compute_outputs(
    images: Images,
    rows: np.ndarray,
    model: keras.Model,
    image_size: int,
    place: Path,
    budget: Budget,
    *,
    views: Sequence[int] = (0, 1),
    stage: str = "features",
) -> tuple[list[np.memmap], float]:
    """Runs a model over views of images, or finds what it gave.

    Vectors are kept as float32, maps as float16.

    Args:
        images: of all splits.
        rows: which of them.
        model: from images to one or more tensors.
        image_size: side in pixels.
        place: folder of the arrays; an interrupted run goes on there.
        budget: pays for what is found, and shows progress.
        views: numbers: 0 of the images, 1 of their mirror images, all others of random
            crops of either, of three quarters of the sides or more, which follow from
            the number and the row.
        stage: what progress is shown as.

    Returns:
        One array (V, N, ...) per output, and the seconds that all of it took.
    """
    place.mkdir(parents=True, exist_ok=True)
    paths = [place / f"output_{index}.npy" for index in range(len(model.outputs))]
    if not (place / "progress.json").exists():
        for path, output in zip(paths, model.outputs, strict=True):
            kind = np.float16 if len(output.shape) > 2 else np.float32
            shape = (len(views), len(rows), *output.shape[1:])
            np.lib.format.open_memmap(path, "w+", kind, shape).flush()
            _reserve(path)
        _record(place, 0, 0.0)
    done, seconds = _progress(place)
    budget.take_over(seconds)
    if done:
        budget.say(stage, f"{done:,} of {len(rows):,} images are there from before")
    if done < len(rows):
        seconds = _compute(images, rows, model, image_size, paths, budget, views, stage)
    return [np.load(path, mmap_mode="r") for path in paths], seconds


def mapped_anew(array: np.ndarray) -> np.ndarray:
    """Returns the array of a file again, without what was read of it in memory."""
    if isinstance(array, np.memmap) and array.filename:
        found: np.ndarray = np.load(str(array.filename), mmap_mode="r")
        return found
    return array


def _view(batch: tf.Tensor, rows: np.ndarray, view: int) -> tf.Tensor:
    """Returns images, their mirror images, or a random crop of every one of them."""
    if view < 2:
        return batch[:, :, ::-1] if view else batch
    draws = [np.random.default_rng((view, row)).uniform(size=5) for row in rows]
    numbers = np.array(draws, "float32")
    sides = _SMALLEST_CROP + (1 - _SMALLEST_CROP) * numbers[:, :2]
    corners = (1 - sides) * numbers[:, 2:4]
    boxes = np.concatenate([corners, corners + sides], axis=1)
    mirrored = numbers[:, 4] < 0.5
    boxes[mirrored, 1], boxes[mirrored, 3] = boxes[mirrored, 3], boxes[mirrored, 1]
    size = batch.shape[1:3]
    return tf.image.crop_and_resize(batch, boxes, np.arange(len(rows)), size)


def cut_backbone(backbone: keras.Model) -> tuple[keras.Model, keras.Model] | None:
    """Returns a backbone's lower part, and the upper one that fine-tuning trains.

    They are cut at the narrowest layer before the last stride, the last one of several.
    None where no layer lies below the last two feature maps.

    Args:
        backbone: of a known image size.
    """
    side = backbone.outputs[-1].shape[1] * 2
    inner = [backbone, *(x for x in backbone.layers if isinstance(x, keras.Model))][-1]
    found = [
        layer.name
        for layer in inner.layers
        if len(getattr(layer.output, "shape", ())) == 4
        and side - 1 <= (layer.output.shape[1] or 0) <= side
    ]
    widths = {name: inner.get_layer(name).output.shape[-1] for name in found}
    for width in sorted(set(widths.values())):
        for name in reversed([name for name in found if widths[name] == width]):
            try:
                lower, upper = split_backbone(backbone, name)
            except ValueError:
                continue
            if len(upper.outputs) > 1:
                return lower, upper
    return None


def _weights_of(model: keras.Model) -> bytes:
    digest = hashlib.sha256()
    for weight in model.weights:
        digest.update(np.ascontiguousarray(weight.numpy()).tobytes())
    return digest.digest()


def _are_few(images: Images) -> bool:
    return len(images.training_rows) < FEW


def _measure(backbone: keras.Model) -> float:
    """Measures the seconds that an image takes."""
    run = tf.function(lambda x: backbone(x, training=False))
    batch = tf.zeros((_BATCH, *backbone.input_shape[1:]))
    run(batch)
    start = time.monotonic()
    for _ in range(_TIMED_BATCHES):
        run(batch)
    return (time.monotonic() - start) / (_TIMED_BATCHES * _BATCH)


def _progress(place: Path) -> tuple[int, float]:
    record = json.loads((place / "progress.json").read_text())
    return int(record["images"]), float(record["seconds"])


def _record(place: Path, images: int, seconds: float) -> None:
    with atomic_write(place / "progress.json") as temporary:
        temporary.write_text(json.dumps({"images": images, "seconds": seconds}))


def _reserve(path: Path) -> None:
    """Takes a file's room on the disk, so that a full disk is noticed here.

    Writing to a mapped file without room would end the process.
    """
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _writable(paths: Sequence[Path]) -> list[np.memmap]:
    return [np.load(path, mmap_mode="r+") for path in paths]


def _compute(
    images: Images,
    rows: np.ndarray,
    model: keras.Model,
    image_size: int,
    paths: Sequence[Path],
    budget: Budget,
    views: Sequence[int],
    stage: str,
) -> float:
    place = paths[0].parent
    done, earlier = _progress(place)
    arrays = _writable(paths)
    run = tf.function(
        lambda batch: keras.tree.flatten(model(batch, training=False)),
        reduce_retracing=True,
    )
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    console = budget.console
    batches = images.batches(
        rows[done:], image_size=image_size, batch_size=images_per_batch(image_size)
    )
    start, since = time.monotonic(), done
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(stage, total=len(rows), completed=done)
        for batch, _ in batches:
            block = slice(done, done + len(batch))
            for index, view in enumerate(views):
                pixels = _view(batch, rows[block], view)
                for array, output in zip(arrays, run(pixels), strict=True):
                    values = np.asarray(output)
                    if not np.isfinite(values).all():
                        names = [images.paths[row] for row in rows[block]]
                        raise ValueError(
                            "The backbone must give finite features; it does not for "
                            f"one of {names}."
                        )
                    limits = np.finfo(array.dtype)
                    array[index, block] = np.clip(values, limits.min, limits.max)
            done = block.stop
            budget.do(stage, f"{done:,} of {len(rows):,} images")
            bar.advance(task, len(batch))
            if done - since >= _CHUNK or done == len(rows):
                for array in arrays:
                    array.flush()
                # Mapped anew, so that what was written does not stay in memory.
                arrays = _writable(paths)
                _record(place, done, earlier + time.monotonic() - start)
                since = done
    return earlier + time.monotonic() - start

"""The second stage: what a frozen backbone sees, computed once for every image."""

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable
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
from kmlic.classifier.budget import Budget
from kmlic.classifier.images import Images
from kmlic.models import POOL

SIZES = (128, 160, 192, 224, 256, 288, 320, 384, 448)
# Small images gain from being enlarged, for the last feature map has more places.
_MOST_ENLARGED = 1.5
_SMALLEST = 192
_SHARE_OF_BUDGET = 0.3
_BATCH = 16
_CHUNK = 64
_MOST_MAP_BYTES = 1.5e9
_MOST_FLOAT16 = 65504.0
_TIMED_BATCHES = 3


@dataclasses.dataclass(frozen=True, eq=False)
class Features:
    """Holds what the backbone gives for every image and its mirror image.

    Args:
        pooled: (2, N, D) float32, plain and mirrored, see `pooled_features`.
        widths: channels of the last feature map and of the one before it.
        maps: (2, N, H, W, C) float16, the last feature map; None where all of them
            would take too much room.
        image_size: side in pixels of the images that the backbone saw.
        seconds: time per image, both ways round.
        fingerprint: identifies backbone, images and size.
    """

    pooled: np.ndarray
    widths: tuple[int, int]
    maps: np.ndarray | None
    image_size: int
    seconds: float
    fingerprint: str

    def columns(self, earlier: bool) -> slice:
        """Returns the features of both maps, or those of the last one alone."""
        last, before = self.widths
        return slice(0, None) if earlier else slice(before, before + 2 * last)


def pooled_features(
    backbone: keras.Model, prefix: str = "", *, earlier: bool = True
) -> keras.KerasTensor:
    """Returns a backbone's pooled features (B, D).

    They are, in this order: averages of the earlier feature map, averages of the last
    one, maxima of the last one, maxima of the earlier one. The maps pass a layer named
    "pool", through which `activation_maps` explains what stands on the features.

    Args:
        backbone: with two or more feature maps.
        prefix: of the names of layers.
        earlier: whether the map before the last one takes part.
    """
    before, last = backbone.outputs[-2:]
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


def features(
    images: Images,
    build: Callable[[int], keras.Model],
    folder: Path,
    budget: Budget,
    *,
    image_size: int | None = None,
) -> Features:
    """Runs a frozen backbone over all images and their mirror images, or finds that.

    The arrays are kept under a name that follows from the backbone's weights and the
    images, so that another run finds them; an interrupted run goes on with the block
    of images that was cut off.

    Args:
        images: of all splits.
        build: side in pixels to a backbone with two or more feature maps.
        folder: where features are kept.
        budget: of which features may take three tenths.
        image_size: side in pixels; None for the largest that the budget allows.

    Raises:
        ValueError: if the features of an image are not finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    size = image_size or images.image_size
    count = len(images.targets)
    if size is None:
        seconds = _measure(build(_SMALLEST), folder) / _SMALLEST**2
        allowed = _SHARE_OF_BUDGET * budget.seconds
        largest = max(_SMALLEST, _MOST_ENLARGED * images.side)
        fitting = [
            each
            for each in SIZES
            if each <= largest and 2 * count * seconds * each**2 <= allowed
        ]
        size = max(fitting, default=SIZES[0])
    keras.backend.clear_session()
    backbone = build(size)
    pooled, last = pooled_features(backbone), backbone.outputs[-1]
    extractor = keras.Model(backbone.input, [pooled, last])
    identity = hashlib.sha256(f"{images.fingerprint} {size}".encode())
    identity.update(_weights_of(extractor))
    place = folder / f"features-{identity.hexdigest()[:24]}"
    shape = tuple(last.shape[1:])
    with_maps = 4 * count * np.prod(shape) <= _MOST_MAP_BYTES
    arrays = _open(place, count, int(pooled.shape[-1]), shape if with_maps else None)
    done, seconds = _progress(place)
    if done:
        budget.take_over(seconds)
    if done < count:
        seconds = _compute(images, extractor, size, place, arrays, budget)
    widths = (int(backbone.outputs[-1].shape[-1]), int(backbone.outputs[-2].shape[-1]))
    text = f"{count:,} images and their mirror images at {size} pixels"
    budget.say("features", text + f" in {seconds:.0f} s")
    return Features(
        pooled=arrays[0],
        widths=widths,
        maps=arrays[1] if with_maps else None,
        image_size=size,
        seconds=seconds / count,
        fingerprint=identity.hexdigest(),
    )


def _weights_of(model: keras.Model) -> bytes:
    digest = hashlib.sha256()
    for weight in model.weights:
        digest.update(np.ascontiguousarray(weight.numpy()).tobytes())
    return digest.digest()


def _measure(backbone: keras.Model, folder: Path) -> float:
    """Measures the seconds that an image takes, or reads what was measured before."""
    record = folder / "speed.json"
    name = f"{backbone.name} {hashlib.sha256(_weights_of(backbone)).hexdigest()[:12]}"
    known = json.loads(record.read_text()) if record.exists() else {}
    if name not in known:
        run = tf.function(lambda x: backbone(x, training=False))
        batch = tf.zeros((_BATCH, *backbone.input_shape[1:]))
        run(batch)
        start = time.monotonic()
        for _ in range(_TIMED_BATCHES):
            run(batch)
        known[name] = (time.monotonic() - start) / (_TIMED_BATCHES * _BATCH)
        with atomic_write(record) as temporary:
            temporary.write_text(json.dumps(known))
    return float(known[name])


def _open(
    place: Path, count: int, width: int, map_shape: tuple[int, ...] | None
) -> list[np.ndarray]:
    wanted: list[tuple[str, type, tuple[int, ...]]] = [
        ("pooled.npy", np.float32, (2, count, width))
    ]
    if map_shape is not None:
        wanted.append(("maps.npy", np.float16, (2, count, *map_shape)))
    place.mkdir(parents=True, exist_ok=True)
    if not (place / "progress.json").exists():
        for name, kind, shape in wanted:
            np.lib.format.open_memmap(place / name, "w+", kind, shape).flush()
        _record(place, 0, 0.0)
    return [np.load(place / name, mmap_mode="r+") for name, _, _ in wanted]


def _progress(place: Path) -> tuple[int, float]:
    record = json.loads((place / "progress.json").read_text())
    return int(record["images"]), float(record["seconds"])


def _record(place: Path, images: int, seconds: float) -> None:
    with atomic_write(place / "progress.json") as temporary:
        temporary.write_text(json.dumps({"images": images, "seconds": seconds}))


def _compute(
    images: Images,
    extractor: keras.Model,
    size: int,
    place: Path,
    arrays: list[np.ndarray],
    budget: Budget,
) -> float:
    done, seconds = _progress(place)
    count = len(images.targets)
    run = tf.function(
        lambda batch: extractor(batch, training=False), reduce_retracing=True
    )
    console = budget.console
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    rows = np.arange(done, count)
    batches = images.batches(rows, image_size=size, batch_size=_BATCH)
    start, since = time.monotonic(), done
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("features", total=count, completed=done)
        for batch, _ in batches:
            block = slice(done, done + len(batch))
            for view, pixels in enumerate((batch, batch[:, :, ::-1])):
                pooled, last = (np.asarray(each) for each in run(pixels))
                if not np.isfinite(pooled).all():
                    raise ValueError(
                        "The backbone must give finite features; it does not for one "
                        f"of {images.paths[block]}."
                    )
                arrays[0][view, block] = pooled
                if len(arrays) > 1:
                    limited = np.clip(last, -_MOST_FLOAT16, _MOST_FLOAT16)
                    arrays[1][view, block] = limited
            done = block.stop
            bar.advance(task, len(batch))
            if done - since >= _CHUNK or done == count:
                for array in arrays:
                    array.flush()  # type: ignore[attr-defined]
                elapsed = time.monotonic() - start
                _record(place, done, seconds + elapsed)
                since = done
    return seconds + time.monotonic() - start

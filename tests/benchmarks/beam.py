"""Images per second of `kmlic predict` and of Apache Beam's DirectRunner.

Command: python -m tests.benchmarks.beam FOLDER [--images FOLDER] [--count 10000]
[--backbone mobilenet_v2] [--image_size 96] [--ways predict saved_model openvino]

Writes into FOLDER, where they are not there yet, `count` small JPEGs, copies of the
images with another mark in a corner each, every hundredth cut off in the middle, and an
untrained model with its exports. Tags them with `predict_paths` in four runtimes, and
on Beam with one worker process and with two, and prints how long each way took, its
start included, and how far Beam's scores are from those of `predict_paths`.
"""

import argparse
import io
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
from PIL import Image
from pyarrow import parquet

from kmlic.atomic_write import atomic_write
from kmlic.export import export_openvino, export_saved_model
from kmlic.labels import Labels
from kmlic.models import build_classifier
from kmlic.predict import load_scorer, predict_paths
from kmlic.predict.tag_images import tag_images

LABELS = 20
BATCH = 64
BROKEN_EVERY = 100
RUNTIMES = ("saved_model", "openvino")
WAYS = ("predict", *RUNTIMES)


def main():
    """Prints rows, differences and images per second of every way."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--images", type=Path, default=Path("../shared/data/coco_subset/images")
    )
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--image_size", type=int, default=96)
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=WAYS)
    settings = parser.parse_args()
    if not settings.folder.exists():
        with atomic_write(settings.folder) as folder:
            folder.mkdir()
            write_images(settings.images, folder / "images", settings)
            write_run(folder / "run", settings)
    if "predict" in settings.ways:
        measure_predict(settings.folder, settings.count)
    for runtime in RUNTIMES:
        if runtime in settings.ways:
            measure_beam(settings.folder, settings.count, runtime)


def write_images(source, target, settings):
    """Writes small JPEGs, no two alike, some of them broken."""
    target.mkdir()
    size = settings.image_size
    originals = [
        Image.open(path).convert("RGB").resize((size * 4 // 3, size))
        for path in sorted(source.glob("*.jpg"))
    ]
    for number in range(settings.count):
        image = originals[number % len(originals)].copy()
        image.paste((number % 256, number // 256, 99), (0, 0, 8, 8))
        file = io.BytesIO()
        image.save(file, "JPEG", quality=90)
        data = file.getvalue()
        if number % BROKEN_EVERY == 0:
            data = data[: len(data) // 2]
        (target / f"{number:05}.jpg").write_bytes(data)


def write_run(run, settings):
    """Writes a run folder of a model that nobody trained, with its exports."""
    keras.utils.set_random_seed(0)
    model = build_classifier(
        LABELS, backbone=settings.backbone, image_size=settings.image_size
    )
    names = tuple(f"label {number}" for number in range(LABELS))
    labels = Labels(names, image_size=settings.image_size)
    run.mkdir()
    model.save(run / "model.keras")
    labels.write(run / "labels.json")
    export_saved_model(model, run / "export", labels=labels)
    export_openvino(model, run / "openvino", labels=labels)


def measure_predict(folder, count):
    """Tags the images in the plain loop and keeps the scores."""
    for runtime in ("keras", *RUNTIMES, "openvino_float32"):
        scorer = load_scorer(folder / "run", runtime=runtime)
        began = time.perf_counter()
        rows = list(predict_paths(scorer, [folder / "images"], batch_size=BATCH))
        report(f"predict_paths, {runtime}", count, began)
        assert len(rows) == count
        whole = {str(row.path): row.probabilities for row in rows if not row.error}
        assert len(whole) == count - len(range(0, count, BROKEN_EVERY))
        np.savez(folder / f"{runtime}.npz", **whole)


def measure_beam(folder, count, runtime):
    """Tags the images on Beam and compares with what the plain loop gave."""
    with np.load(folder / f"{runtime}.npz") as kept:
        expected = {path: kept[path] for path in kept}
    for workers in (1, 2):
        with tempfile.TemporaryDirectory() as output:
            began = time.perf_counter()
            found, broken = tag_images(
                folder / "run",
                [folder / "images"],
                Path(output) / "tags.parquet",
                runtime=runtime,
                batch_size=BATCH,
                options=[
                    f"--direct_num_workers={workers}",
                    "--direct_running_mode=multi_processing",
                ],
            )
            report(f"Beam, {runtime}, {workers} worker(s)", count, began)
            rows = [
                row
                for shard in Path(output).glob("tags-0*.parquet")
                for row in parquet.read_table(shard).to_pylist()
            ]
        scores = {
            row["path"]: np.array(list(row["probabilities"].values())) for row in rows
        }
        assert scores.keys() == expected.keys() and len(rows) == len(expected)
        worst = max(np.abs(scores[path] - expected[path]).max() for path in scores)
        print(
            f"  {found:,} images, {broken:,} broken, {len(rows):,} rows; largest "
            f"difference to predict_paths, {runtime}: {worst:.1e}",
            flush=True,
        )


def report(name, count, began):
    """Prints how long one way took."""
    seconds = time.perf_counter() - began
    print(f"{name}: {seconds:.1f} s, {count / seconds:.0f} images/s", flush=True)


if __name__ == "__main__":
    main()

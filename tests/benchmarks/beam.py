"""Images per second of `kmlic predict` and of Apache Beam's DirectRunner.

Command: python -m tests.benchmarks.beam [--images FOLDER] [--count 10000]
[--backbone mobilenet_v2] [--image_size 96]

Tags `count` small JPEGs, copies of the folder's images with another mark in a corner
each, every hundredth cut off in the middle, with an untrained model. Compares what
comes out with `predict_paths` and prints how long each way took, start included.
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

from kmlic.export import export_openvino, export_saved_model
from kmlic.labels import Labels
from kmlic.models import build_classifier
from kmlic.predict import load_scorer, predict_paths
from kmlic.predict.tag_images import tag_images

LABELS = 20
BATCH = 64
BROKEN_EVERY = 100


def main():
    """Prints rows, differences and images per second of every way."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--images", type=Path, default=Path("../shared/data/coco_subset/images")
    )
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--image_size", type=int, default=96)
    settings = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write_images(settings.images, folder / "images", settings)
        write_run(folder / "run", settings)
        compare(folder, settings.count)


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


def compare(folder, count):
    """Tags the images in every way and compares it with the plain loop."""
    run, images = folder / "run", folder / "images"
    expected = {}
    for runtime in ("keras", "saved_model", "openvino", "openvino_float32"):
        scorer = load_scorer(run, runtime=runtime)
        began = time.perf_counter()
        rows = list(predict_paths(scorer, [images], batch_size=BATCH))
        report(f"predict_paths, {runtime}", count, began)
        expected[runtime] = {
            str(row.path): row.probabilities for row in rows if row.error is None
        }
        assert len(rows) == count
        assert len(expected[runtime]) == count - len(range(0, count, BROKEN_EVERY))
    for runtime in ("saved_model", "openvino"):
        for workers in (1, 2):
            name = f"Beam, {runtime}, {workers} worker{'s' * (workers > 1)}"
            output = folder / f"{runtime}{workers}.parquet"
            began = time.perf_counter()
            found, broken = tag_images(
                run,
                [images],
                output,
                runtime=runtime,
                batch_size=BATCH,
                options=[
                    f"--direct_num_workers={workers}",
                    "--direct_running_mode=multi_processing",
                ],
            )
            report(name, count, began)
            shards = folder.glob(f"{output.stem}-0*.parquet")
            rows = [
                row for shard in shards for row in parquet.read_table(shard).to_pylist()
            ]
            scores = {
                row["path"]: np.array(list(row["probabilities"].values()))
                for row in rows
            }
            same = expected[runtime]
            assert scores.keys() == same.keys() and len(rows) == len(same)
            difference = max(np.abs(scores[path] - same[path]).max() for path in same)
            print(
                f"  {found:,} images, {broken:,} broken, {len(rows):,} rows; largest "
                f"difference to predict_paths, {runtime}: {difference:.1e}",
                flush=True,
            )


def report(name, count, began):
    """Prints how long one way took."""
    seconds = time.perf_counter() - began
    print(f"{name}: {seconds:.1f} s, {count / seconds:.0f} images/s", flush=True)


if __name__ == "__main__":
    main()

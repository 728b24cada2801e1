"""Images per second from files to batches, beside PyTorch's DataLoader with Pillow.

Command: python -m tests.benchmarks.input [--folder FOLDER] [--image_sizes 224 448]
[--passes 20] [--repeats 3]. Needs torch for the peer; without it only kmlic is timed.

Both read the same JPEGs in a shuffled order, cut a random part of ML-GCN's sizes,
mirror half of them, resize to a square and batch 32. kmlic is what `from_csv` gives
without a cache; its pixels are float32 or uint8. The DataLoader has two workers that
live on, Pillow's draft mode (which decodes at a part of the size where that is enough),
crop and resize in one call, bilinear with `reducing_gap`, and gives float32 or uint8
tensors, channels first. Each runs alone in a process; the best of the repeats counts.
"""

import argparse
import concurrent.futures
import multiprocessing
import tempfile
import time
from pathlib import Path

import numpy as np

BATCH, WORKERS = 32, 2
# Passes before the clock starts: tf.data finds its number of threads meanwhile.
WARM_UP = 4
SCALES = (1.0, 0.9, 0.8, 0.7, 0.6)
MOST_DISTORT = 2


def main():
    """Prints images per second of each and the ratio of the best ones."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--folder", type=Path, default=Path("../shared/data/coco_subset/images")
    )
    parser.add_argument("--image_sizes", type=int, nargs="+", default=(224, 448))
    parser.add_argument("--passes", type=int, default=20, help="over all files")
    parser.add_argument("--repeats", type=int, default=3)
    settings = parser.parse_args()
    files = sorted(settings.folder.resolve().glob("*.jpg"))
    print(f"{len(files)} files of {settings.folder}, {settings.passes} passes")
    for size in settings.image_sizes:
        best = {}
        for _ in range(settings.repeats):
            for measure in (measure_kmlic, measure_torch):
                for pixels in ("float32", "uint8"):
                    name = f"{measure.__name__.removeprefix('measure_')} {pixels}"
                    arguments = (files, size, pixels, settings.passes)
                    rate = run_alone(measure, arguments)
                    best[name] = max(best.get(name, 0.0), rate)
        for name, rate in best.items():
            print(f"{size} px, {name}: {rate:.0f} images/s", flush=True)
        ours, theirs = (
            max(rate for name, rate in best.items() if name.startswith(who))
            for who in ("kmlic", "torch")
        )
        if theirs:
            print(f"{size} px: {ours / theirs:.2f} times the DataLoader's best form")


def run_alone(measure, arguments):
    """Runs a measurement in a process of its own, so that none disturbs another."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, context) as pool:
        return pool.submit(measure, *arguments).result()


def measure_kmlic(files, size, pixels, passes):
    """Times a training dataset as `from_csv` makes it."""
    from kmlic.data import from_csv

    with tempfile.TemporaryDirectory() as folder:
        lines = ["path,labels", *(f"{file.name},any" for file in files)]
        table = Path(folder) / "labels.csv"
        table.write_text("\n".join(lines))
        data = from_csv(
            table,
            root=files[0].parent,
            image_size=size,
            batch_size=BATCH,
            augmentation="multi_scale_crop",
            cache=False,
            pixels=pixels,
            check="header",
            fractions=(0.98, 0.01, 0.01),
        )
    return time_batches(data.train.from_step(0), len(data.train), passes)


def measure_torch(files, size, pixels, passes):
    """Times a DataLoader, or gives 0 without torch."""
    try:
        import torch
    except ImportError:
        return 0.0
    dataset = PillowDataset(files, size, pixels)
    steps = len(dataset) // BATCH
    # One long pass, for the start of each would stop the workers for a moment.
    sampler = torch.utils.data.RandomSampler(
        dataset, num_samples=BATCH * steps * (passes + WARM_UP)
    )
    loader = torch.utils.data.DataLoader(
        dataset,
        batch_size=BATCH,
        sampler=sampler,
        num_workers=WORKERS,
        persistent_workers=True,
        prefetch_factor=4,
        drop_last=True,
    )
    return time_batches(loader, steps, passes)


def time_batches(batches, steps, passes):
    """Returns images per second after some passes that warm up."""
    count = 0
    for number, (images, _) in enumerate(batches):
        if number == steps * WARM_UP:
            began = time.perf_counter()
        if number >= steps * WARM_UP:
            count += len(images)
            assert images.shape[0] == BATCH
        if number + 1 == steps * (passes + WARM_UP):
            break
    return count / (time.perf_counter() - began)


class PillowDataset:
    """Decodes, crops, mirrors and resizes one file at a time, as PyTorch users do."""

    def __init__(self, files, size, pixels):
        self.files, self.size, self.pixels = files, size, pixels

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        import torch
        from PIL import Image

        torch.set_num_threads(1)
        image = Image.open(self.files[index])
        # Of the smallest part, 0.6 of the shorter side, the full size is left.
        image.draft("RGB", (int(self.size / 0.6),) * 2)
        width, height = image.size
        shorter = min(width, height)
        first = torch.randint(len(SCALES), ()).item()
        near = [i for i in range(len(SCALES)) if abs(i - first) <= MOST_DISTORT]
        second = near[torch.randint(len(near), ()).item()]
        part = int(shorter * SCALES[first]), int(shorter * SCALES[second])
        left = torch.randint(5, ()).item() * ((width - part[0]) // 4)
        top = torch.randint(5, ()).item() * ((height - part[1]) // 4)
        image = image.convert("RGB").resize(
            (self.size, self.size),
            Image.Resampling.BILINEAR,
            box=(left, top, left + part[0], top + part[1]),
            reducing_gap=2.0,
        )
        if torch.rand(()) < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
        if self.pixels == "float32":
            pixels = pixels.float()
        return pixels, float(index)


if __name__ == "__main__":
    main()

"""A run on images of one colour, that two test files read."""

import numpy as np
import pytest
from PIL import Image

from kmlic.datasets import load_dataset
from kmlic.experiments import Experiment, finish_run
from tests.toys import LABELS, toy_model, toy_settings


@pytest.fixture
def run(tmp_path):
    """A run on a folder of images of one colour, and its folder of images."""
    return write_run(tmp_path, seeds=(0,), exported=0)


def write_run(folder, *, seeds, exported):
    """Trains a model per seed, and keeps that of the exported one."""
    images = folder / "images"
    images.mkdir()
    random = np.random.default_rng(0)
    lines = ["path,labels"]
    for index in range(40):
        present = random.integers(0, 2, 3)
        pixels = np.full((8, 8, 3), present * 200, np.uint8)
        pixels[0, 0] = index  # so that no image is a copy of another
        Image.fromarray(pixels).save(images / f"{index}.png")
        names = [n for n, p in zip(LABELS.names, present, strict=True) if p]
        lines.append(f"{index}.png,{'|'.join(names)}")
    (images / "labels.csv").write_text("\n".join(lines))
    (images / "classes.txt").write_text("\n".join(LABELS.names))
    settings = toy_settings(
        folder / "run",
        data=str(images),
        image_size=8,
        batch_size=4,
        seeds=seeds,
    )
    experiment = Experiment("toy", settings)
    for seed in seeds:
        data = load_dataset(
            "own_images", data_dir=images, image_size=8, batch_size=4, seed=seed
        )
        experiment.train("model", seed, toy_model, data)

    with pytest.MonkeyPatch.context() as patch:
        best = experiment.trained["model"][exported]
        patch.setattr(experiment, "best_of", lambda name: best)
        finish_run(experiment, "model", export=lambda *arguments: {})
    return folder / "run", images

"""A run on images of one colour, that two test files read."""

import dataclasses

import keras
import numpy as np
import pytest
from PIL import Image

from kmlic.data import from_csv
from kmlic.experiments import Experiment
from tests.toys import LABELS, toy_model


@dataclasses.dataclass(frozen=True)
class Settings:
    folder: str
    data_dir: str
    dataset: str = "csv"
    image_size: int = 8
    batch_size: int = 4
    seeds: tuple[int, ...] = (0,)


@pytest.fixture
def run(tmp_path):
    """A run on a folder of images of one colour, and its folder of images."""
    images = tmp_path / "images"
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
    settings = Settings(str(tmp_path / "run"), str(images))
    experiment = Experiment("toy", settings)
    data = from_csv(
        images / "labels.csv",
        image_size=8,
        batch_size=4,
        label_names=images / "classes.txt",
    )
    keras.utils.set_random_seed(0)
    experiment.train("model", 0, toy_model, data, epochs=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiment, "_export", lambda *arguments: {})
        experiment.finish(exported="model")
    toy_model().save(tmp_path / "run" / "model.keras")
    return tmp_path / "run", images

"""Submission to the DeepFashion attribute challenge."""

from pathlib import Path

import numpy as np

from kmlic.atomic_write import atomic_write
from kmlic.data import DatasetSpec
from kmlic.datasets import load_deepfashion_images
from kmlic.predict import load_run
from kmlic.run_folder import Run


def write_submission(run: Path, path: Path) -> None:
    """Writes the predicted class of each group for the images of split/test.

    There is one line per image, with class numbers from 0.

    Args:
        run: run folder of a model trained on "deepfashion_attributes".
        path: text file to write.

    Raises:
        ValueError: if the run was trained on another dataset or is corrupt.
    """
    data = Run.read(run / "run.json").data
    spec = DatasetSpec(**data["seeds"][str(data["exported"]["seed"])]["spec"])
    if spec.name != "deepfashion_attributes" or spec.path is None:
        raise ValueError(
            "`run` must be trained on deepfashion_attributes; got a run on "
            f"{spec.name!r}."
        )
    model, labels = load_run(run)
    groups = labels.exclusive_groups
    lines = []
    for images in load_deepfashion_images(
        "test",
        data_dir=spec.path,
        image_size=model.input_shape[1],
        batch_size=32,
        **{key: spec.options[key] for key in ("crop", "margin")},
    ):
        logits = np.asarray(model.predict_on_batch(images))
        classes = [logits[:, own].argmax(1) for own in groups.values()]
        lines += [" ".join(map(str, image)) for image in np.stack(classes, axis=1)]
    with atomic_write(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")

"""A dataset and a model small enough to train in a second."""

import keras
import numpy as np
import tensorflow as tf

from kmlic.data import Boxes, MultiLabelData
from kmlic.experiments import Trained, TrainingSettings
from kmlic.labels import Labels
from kmlic.losses import PartialBinaryCrossentropy

LABELS = Labels(("red", "green", "blue"), image_size=8)


def toy_data(size=40, labels=LABELS):
    """Images whose channels are bright where the label of that colour is present."""
    random = np.random.default_rng(0)
    splits, targets = {}, {}
    for split in ("train", "validation", "test"):
        truth = random.integers(0, 2, (size, 3))
        images = np.broadcast_to(truth[:, None, None] * 200.0, (size, 8, 8, 3))
        images = images + random.uniform(0, 55, images.shape)
        pairs = (images.astype("float32"), truth.astype("float32"))
        batches = tf.data.Dataset.from_tensor_slices(pairs)
        splits[split] = batches.batch(8, drop_remainder=split == "train")
        targets[split] = truth.astype("int8")
        if split == "train":
            splits["train_in_order"] = batches.batch(8)
    return MultiLabelData(**splits, labels=labels, targets=targets)


def toy_model():
    images = keras.Input((8, 8, 3), name="images")
    x = keras.layers.Rescaling(1 / 127.5, -1)(images)
    x = keras.layers.GlobalAveragePooling2D()(x)
    logits = keras.layers.Dense(3, name="logits", dtype="float32")(x)
    model = keras.Model(images, logits)
    model.compile(keras.optimizers.SGD(0.5), PartialBinaryCrossentropy())
    return model


def toy_settings(folder, **changes):
    """Settings of two short trainings on the toy data."""
    own = {"dataset": "toy", "seeds": (0, 1), "epochs": 2, "strategy": "single"}
    return TrainingSettings(folder=folder, **{**own, **changes})


def boxed_data(size=32, names=("dog", "sofa", "hat")):
    """Eight noisy images; on each, a dog in the corner and a tree everywhere."""
    targets = np.random.default_rng(0).integers(0, 2, (8, 3)).astype("int8")
    images = np.random.default_rng(1).uniform(0, 255, (8, size, size, 3))
    pairs = (images.astype("float32"), targets)
    batches = tf.data.Dataset.from_tensor_slices(pairs).batch(2)
    corner = Boxes(("dog", "tree"), np.array([[0, 0, 0.5, 0.5], [0, 0, 1, 1]]))
    return MultiLabelData(
        batches,
        batches,
        batches,
        Labels(names, image_size=size),
        targets=dict.fromkeys(("train", "validation", "test"), targets),
        train_in_order=batches,
        boxes=dict.fromkeys(("train", "validation", "test"), (corner,) * 8),
    )


def add_toy_row(experiment, name, probability=0.5, model=None):
    """Adds a row of seed 0 with one probability for all, and a model if given."""
    data = experiment.data[0]
    scores = {
        split: (data.targets[split], np.full(data.targets[split].shape, probability))
        for split in ("validation", "test")
    }
    path = None
    if model is not None:
        path = experiment.folder.working / f"{name}.keras"
        model.save(path)
    trained = Trained(name, 0, scores, model_path=path)
    experiment.trained[name] = {0: trained}

"""A dataset and a model small enough to train in a second."""

import keras
import numpy as np
import tensorflow as tf

from kmlic.data import MultiLabelData
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

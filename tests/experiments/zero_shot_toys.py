"""Words, labels and settings of a zero-shot experiment without a training."""

import json

import numpy as np
import tensorflow as tf

from kmlic.data import MultiLabelData
from kmlic.experiments import ZeroShotSettings
from kmlic.experiments.find_label_words import find_label_words
from kmlic.labels import Labels

RANDOM = np.random.default_rng(0)
NAMES = ("dog", "hound", "cat", "car", "bus", "unicorn")


def write_words(folder):
    """Writes vectors of eight words and returns their file."""
    vectors = np.random.default_rng(0).normal(size=(8, 5)).round(3)
    words = ("dog", "cat", "car", "bus", "puma", "truck", "tree", "house")
    lines = [
        f"{w} {' '.join(map(str, v))}" for w, v in zip(words, vectors, strict=True)
    ]
    path = folder / "words.txt"
    path.write_text("\n".join(lines))
    return path


def dataset(names, **arguments):
    """One black image per label."""
    targets = np.eye(len(names), dtype="int8")
    images = np.zeros((len(names), 4, 4, 3), "float32")
    batches = tf.data.Dataset.from_tensors((images, targets.astype("float32")))
    return MultiLabelData(
        *(batches,) * 3,
        labels=Labels(names),
        targets=dict.fromkeys(("train", "validation", "test"), targets),
        train_in_order=batches,
        **arguments,
    )


def find(folder, names=NAMES, held_out=(), **changes):
    """Settings with words written to a folder, and the words of labels."""
    settings = ZeroShotSettings(
        dataset="toy",
        word_vectors=str(write_words(folder)),
        label_words=folder / "map.json",
        label_words_table="300d",
        **changes,
    )
    table = {"300d": {"toy": {"hound": "dog"}, "other": {"id7": "tree"}}, "50d": {}}
    settings.label_words.write_text(json.dumps(table))
    return settings, find_label_words(settings, dataset(names), held_out, seed=0)

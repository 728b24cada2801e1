"""A small training in a process of its own, for the tests that kill it.

python -m tests.training.survivor FOLDER OUT [--strategy S] [--epochs E] [--kill_at N]
"""

import argparse
import json
import os
import signal
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from kmlic.data.build_batches import build_batches
from kmlic.layers import FusedBatchNorm
from kmlic.losses import PartialBinaryCrossentropy
from kmlic.training import CoupledSGD, fit, make_strategy

COUNT, SIZE, BATCH = 84, 16, 8
STEPS = COUNT // BATCH


def make_batches(training):
    random = np.random.default_rng(0)
    images = tf.constant(random.integers(0, 256, (COUNT, SIZE, SIZE, 3), np.uint8))
    targets = random.integers(0, 2, (COUNT, 3)).astype("int8")
    return build_batches(
        tf.data.Dataset.from_tensor_slices((np.arange(COUNT), targets)),
        lambda row: images[row],
        image_size=SIZE,
        batch_size=BATCH,
        training=training,
        augmentation="multi_scale_crop",
    )


def build_model(dropout):
    images = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Conv2D(8, 3)(keras.layers.Rescaling(1 / 255)(images))
    x = keras.layers.Activation("relu")(FusedBatchNorm()(x))
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(8, 3)(x))
    x = keras.layers.Dropout(dropout)(keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(images, keras.layers.Dense(3, name="logits")(x))


class Watch(keras.callbacks.Callback):
    """Says when the training has begun, slows it down and ends it without warning."""

    def __init__(self, kill_at, pause):
        super().__init__()
        self.kill_at, self.pause = kill_at, pause

    def on_train_begin(self, logs=None):
        self.step = self.start = self.model.optimizer.iterations.numpy()

    def on_train_batch_end(self, batch, logs=None):
        step = self.model.optimizer.iterations.numpy()
        if step == self.step:
            return  # one that was done before
        self.step = step
        if step == self.start + 1:
            Path(os.environ.get("SURVIVOR_BEGUN", os.devnull)).write_text("begun")
        if step == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self.pause)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--strategy", default="single")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--kill_at", type=int, default=-1)
    parser.add_argument("--pause", type=float, default=0.0)
    parser.add_argument("--dropout", type=float, default=0.0)
    options = parser.parse_args()
    tf.config.experimental.enable_op_determinism()
    strategy = make_strategy(options.strategy)
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = build_model(options.dropout)
        rate = keras.optimizers.schedules.CosineDecay(0.05, options.epochs * STEPS)
        optimizer = CoupledSGD(rate, l2=1e-4, global_clipnorm=1.0)
        model.compile(optimizer, PartialBinaryCrossentropy())
    epochs = fit(
        model,
        make_batches(True),
        make_batches(False),
        epochs=options.epochs,
        folder=options.folder,
        callbacks=[Watch(options.kill_at, options.pause)],
        save_seconds=0.0,
    )
    values = [*model.variables, *model.optimizer.variables]
    arrays = [keras.ops.convert_to_numpy(value) for value in values]
    np.savez(options.out, *arrays, epochs=np.array(json.dumps(epochs)))


if __name__ == "__main__":
    main()

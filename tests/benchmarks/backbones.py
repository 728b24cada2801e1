"""Prints images per second of every backbone, beside timm where torch is installed.

Command: python -m tests.benchmarks.backbones [--names resnest50d ...] [--steps 3]
Each network runs alone in a process; batch 8, 224 px, best of the steps.

Seen on 2026-11-27 on two cores of an AMD EPYC with nothing else running, in images/s
(inference / training), timm 1.0.31 in eager mode and its faster layout:

resnest50d         float32         kmlic 33.1 /  9.4   timm 21.8 /  7.2
resnest50d         mixed_bfloat16  kmlic 46.0 / 13.9   timm 32.5 / 11.6
seresnext50_32x4d  float32         kmlic 34.3 /  9.7   timm 27.8 /  8.1
seresnext50_32x4d  mixed_bfloat16  kmlic 48.5 / 15.8   timm 50.5 / 13.9

With `--keras_groups`, beside other jobs: training resnest50d 2.6 (kmlic) and 0.75,
seresnext50_32x4d 5.4 and 0.02. Of a training step of resnest50d 77 % is convolutions
(at about the processor's peak), 7 % batch normalization, 5 % the weighing of splits,
3 % SGD, 2 % ReLU, 1 % pools.
"""

import argparse
import gc
import multiprocessing
import time

import numpy as np

BATCH, SIZE = 8, 224
NAMES = (
    "small_resnet",
    "resnet18",
    "resnet50",
    "resnet101",
    "sge_resnet50",
    "seresnet50",
    "legacy_seresnet50",
    "seresnext50_32x4d",
    "legacy_seresnext50_32x4d",
    "resnest14d",
    "resnest50d",
    "resnest50d_4s2x40d",
    "mobilenet_v2",
)
_NAMES_IN_TIMM = {"mobilenet_v2": "mobilenetv2_100"}


def main():
    """Measures the networks asked for, in both precisions."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--names", nargs="+", default=NAMES)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--policies", nargs="*", default=("float32", "mixed_bfloat16"))
    parser.add_argument(
        "--keras_groups",
        action="store_true",
        help="also with keras.layers.Conv2D(groups=...), which takes minutes",
    )
    settings = parser.parse_args()
    print(f"{'network':26}{'who':29}{'inference/s':>12}{'training/s':>12}")
    for name in settings.names:
        for policy in settings.policies:
            _run_alone(_measure_ours, name, policy, settings.steps)
            for layout in ("NCHW", "NHWC"):
                _run_alone(_measure_timm, name, policy, settings.steps, layout)
        if settings.keras_groups:
            _run_alone(_measure_keras_groups, name, "float32", settings.steps)


def _run_alone(measure, *arguments):
    process = multiprocessing.get_context("spawn").Process(
        target=measure, args=arguments
    )
    process.start()
    process.join()


def _measure_keras_groups(name, policy, steps):
    import keras

    from kmlic.backbones import residual_network
    from kmlic.layers import split_attention

    for module in (residual_network, split_attention):
        module.GroupedConv2D = keras.layers.Conv2D
    _measure_ours(name, policy, steps, who="Conv2D(groups)")


def _measure_ours(name, policy, steps, who="kmlic"):
    import keras
    import tensorflow as tf

    from kmlic.backbones import build_backbone

    keras.config.set_dtype_policy(policy)
    model = build_backbone(name, image_size=SIZE, include_top=True)
    model.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    images, classes = _draw()
    images = tf.constant(images)
    infer = tf.function(lambda x: model(x, training=False))
    _report(
        name,
        f"{who} {policy}",
        lambda: infer(images).numpy(),
        lambda: model.train_on_batch(images, classes),
        steps,
    )


def _measure_timm(name, policy, steps, layout):
    import _pytest.outcomes

    from tests.backbones.timm_peer import import_timm

    try:
        timm = import_timm()
    except _pytest.outcomes.Skipped:
        return
    import torch

    name_in_timm = _NAMES_IN_TIMM.get(name, name)
    if not timm.is_model(name_in_timm):
        return
    images, classes = _draw()
    memory_format = torch.channels_last if layout == "NHWC" else torch.contiguous_format
    model = timm.create_model(name_in_timm).to(memory_format=memory_format)
    x = torch.from_numpy(images.transpose(0, 3, 1, 2))
    x = x.contiguous(memory_format=memory_format)
    y = torch.from_numpy(classes)
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)
    precision = torch.autocast("cpu", torch.bfloat16, policy == "mixed_bfloat16")

    def infer():
        model.eval()
        with torch.inference_mode(), precision:
            model(x)

    def train():
        model.train()
        optimizer.zero_grad()
        with precision:
            loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()

    _report(name, f"timm {policy} {layout}", infer, train, steps)


def _draw():
    generator = np.random.default_rng(0)
    images = generator.uniform(0, 255, (BATCH, SIZE, SIZE, 3)).astype("float32")
    return images, generator.integers(0, 1000, BATCH)


def _report(name, who, infer, train, steps):
    inference, training = (BATCH / _best_time(call, steps) for call in (infer, train))
    print(f"{name:26}{who:29}{inference:12.1f}{training:12.2f}", flush=True)
    gc.collect()


def _best_time(call, steps):
    call()
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    main()

"""Where the time and the bytes of a training step of MSRN go, and the distance to the
matrix products of the machine.

Command: python -m tests.benchmarks.msrn_profile [--backbone resnet101] [--side 448]
[--labels 20] [--batch 4]. Takes 6 GB.

Seconds of operators are summed over threads. The limit is the floating-point operations
of the step at the rate of a product of two large matrices: three times those of the
forward pass, whose products each have two in the gradient.
"""

import argparse
import collections
import pathlib
import re
import tempfile
import time

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.profiler.model_analyzer import profile
from tensorflow.python.profiler.option_builder import ProfileOptionBuilder
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from kmlic.losses import PartialBinaryCrossentropy
from kmlic.models import build_msrn
from kmlic.training import CoupledSGD, part_multipliers

# What an operator's name contains, to the kind of work; the first that fits counts.
KINDS = {
    "Conv2D": "convolutions",
    "MatMul": "matrix products",
    "Exp": "exponentials of the attention",
    "BatchNorm": "batch normalization",
    "Relu": "ReLU",
    "Pool": "pools",
    "Momentum": "SGD and the L2 penalty",
    "GradientDescent": "SGD and the L2 penalty",
    "L2Loss": "norm of the gradient",
    "Transpose": "transpositions",
    "Cast": "casts",
}
# They hold other operators, whose time counts.
CONTAINERS = ("PartitionedCall", "StatefulPartitionedCall", "While", "StatelessWhile")


def main():
    """Prints the tables of time and of bytes."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--backbone", default="resnet101")
    parser.add_argument("--side", type=int, default=448)
    parser.add_argument("--labels", type=int, default=20)
    parser.add_argument("--batch", type=int, default=4)
    options = parser.parse_args()
    memory = {"Python, TensorFlow and Keras": resident()}
    random = np.random.default_rng(0)
    labels = options.labels
    model = build_msrn(
        random.normal(size=(labels, 300)),
        np.maximum(random.random((labels, labels)) < 0.02, np.eye(labels)),
        backbone=options.backbone,
        image_size=options.side,
    )
    rates = part_multipliers(model.get_layer(options.backbone), 0.1)
    optimizer = CoupledSGD(0.01, 0.9, l2=1e-4, multipliers=rates, global_clipnorm=10.0)
    model.compile(optimizer, PartialBinaryCrossentropy())
    shape = options.batch, options.side, options.side, 3
    images = random.integers(0, 256, shape).astype("float32")
    targets = (random.random((options.batch, labels)) < 0.04).astype("float32")
    forward = forward_operations(model, shape)
    model.train_on_batch(images, targets)  # traces
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        start = time.perf_counter()
        model.train_on_batch(images, targets)
        seconds = time.perf_counter() - start
        tf.profiler.experimental.stop()
        spent = operator_seconds(folder)
    print_time(spent, seconds, 3 * forward)
    weights = sum(np.prod(weight.shape) * 4 / 2**30 for weight in model.weights)
    memory["weights"] = weights
    memory["momentum"] = memory["gradients"] = weights
    rest = resident("VmHWM") - sum(memory.values())
    memory["feature maps, their gradients and temporaries"] = rest
    print(f"\n{'peak memory':48}{'GB':>8}")
    for what, gigabytes in memory.items():
        print(f"{what:48}{gigabytes:8.2f}")
    print(f"{'sum':48}{resident('VmHWM'):8.2f}")


def resident(field="VmRSS"):
    """Returns the memory of this process in GB, or its peak for VmHWM."""
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(rf"{field}:\s+(\d+) kB", status)[1]) / 2**20


def forward_operations(model, shape):
    """Returns the floating-point operations of one inference, from its graph."""
    call = tf.function(lambda x: model(x, training=False))
    graph = call.get_concrete_function(tf.TensorSpec(shape, tf.float32)).graph
    options = ProfileOptionBuilder(ProfileOptionBuilder.float_operation())
    return profile(graph, options=options.with_empty_output().build()).total_float_ops


def operator_seconds(folder):
    """Returns the seconds that each type of operator took in a recorded trace."""
    (path,) = pathlib.Path(folder).rglob("*.xplane.pb")
    space = xplane_pb2.XSpace.FromString(path.read_bytes())
    spent = collections.Counter()
    for plane in space.planes:
        if plane.name != "/host:CPU":
            continue
        names = {key: value.name for key, value in plane.event_metadata.items()}
        for line in plane.lines:
            for event in line.events:
                name, _, operator = names[event.metadata_id].rpartition(":")
                if not re.fullmatch(r"_?[A-Z]\w+", operator):
                    continue
                # C++ methods are named Class::Method.
                if name and not name.endswith(":") and operator not in CONTAINERS:
                    spent[operator] += event.duration_ps / 1e12
    return spent


def print_time(spent, seconds, operations):
    """Prints the share of each kind of operator, and the distance to the limit."""
    kinds, others = collections.Counter(), collections.Counter()
    for operator, time_spent in spent.items():
        kind = next((kind for part, kind in KINDS.items() if part in operator), None)
        (kinds if kind else others)[kind or operator] += time_spent
    most = [operator for operator, _ in others.most_common(3)]
    kinds[f"other: {', '.join(most)}"[:47]] = sum(others.values())
    total = sum(kinds.values())
    print(f"{'operators':48}{'s':>8}{'%':>8}")
    for kind, time_spent in kinds.most_common():
        print(f"{kind:48}{time_spent:8.3f}{100 * time_spent / total:8.1f}")
    rate = product_rate()
    limit = operations / rate
    print(
        f"\nstep {seconds:.2f} s of {operations / 1e9:.0f} GFLOP; at the machine's "
        f"{rate / 1e9:.0f} GFLOP/s of a matrix product {limit:.2f} s: "
        f"{100 * limit / seconds:.0f} % of the limit"
    )


def product_rate(size=2048, repeats=5):
    """Returns the floating-point operations per second of a product of matrices."""
    matrix = tf.random.normal((size, size))
    multiply = tf.function(lambda: tf.reduce_sum(tf.matmul(matrix, matrix)))
    multiply().numpy()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        multiply().numpy()
        times.append(time.perf_counter() - start)
    return 2 * size**3 / min(times)


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    main()

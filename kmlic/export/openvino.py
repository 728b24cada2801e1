"""Models for OpenVINO, the fastest runtime on a CPU."""

from __future__ import annotations

import functools
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kmlic.atomic_write import atomic_write
from kmlic.export.format import (
    FLOAT32_TOLERANCE,
    LABELS_FILE,
    Format,
    Precision,
    Predict,
    scores_in,
)
from kmlic.labels import Labels
from kmlic.make_console import make_console
from kmlic.require_extra import require_extra

if TYPE_CHECKING:
    import keras

_FILES = ("model.xml", "model.bin")
_REPETITIONS = 4  # the first one allocates


def export_openvino(
    model: keras.Model,
    folder: str | Path,
    *,
    labels: Labels | None,
    maps: bool = False,
) -> Path:
    """Writes a model for OpenVINO with the outputs of `PlainGraph`.

    The batch may have any size. Weights are float32; the precision of computation is
    chosen when the model is loaded. The labels are stored in the model's runtime
    information.

    Args:
        model: functional model from images (B, S, S, 3) of a fixed size to logits, or
            to embeddings.
        folder: for model.xml and model.bin; an existing one with these files and no
            others is replaced.
        labels: names and thresholds of the model's outputs; None for embeddings.
        maps: whether to return the output of the layer "activation_maps" too.

    Raises:
        ValueError: if an argument does not fit.
        ImportError: if the extra openvino is not installed.
    """
    from kmlic.export.plain_graph import PlainGraph

    core = _core()
    import openvino

    graph = PlainGraph(model, labels, maps=maps)
    with tempfile.TemporaryDirectory() as saved_model:
        graph.save(saved_model)
        # Not `openvino.convert_model`, which reports every call to Google Analytics.
        converted = core.read_model(saved_model)
        if labels is not None:
            converted.set_rt_info(labels.to_json(), LABELS_FILE)
        with atomic_write(folder, folder_with=_FILES[0], files=_FILES) as temporary:
            temporary.mkdir()
            # The default would store the weights in 16 bits.
            openvino.save_model(
                converted, temporary / "model.xml", compress_to_fp16=False
            )
    return Path(folder)


def has_bfloat16() -> bool:
    """Checks whether OpenVINO can compute in bfloat16 on this CPU.

    Raises:
        ImportError: if the extra openvino is not installed.
    """
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _core() -> Any:
    require_extra("openvino", "openvino", "The format and runtime OpenVINO")
    return _make_core()


# One for the process: OpenVINO runs signal handlers on a stack of its own, and leaves
# a freed one behind when the first of two cores goes before the second. The next
# signal, such as Ctrl-C, would then end the process with a segmentation fault.
@functools.cache
def _make_core() -> Any:
    import openvino

    return openvino.Core()


def _load(path: Path, precision: Precision) -> Predict:
    if precision == "bfloat16" and not has_bfloat16():
        raise ValueError(
            "`precision` must be 'float32' on a CPU without bfloat16; got "
            "precision='bfloat16'."
        )
    compiled = _fastest(path) if precision == "auto" else _compile(path, precision)

    def predict(images: np.ndarray) -> np.ndarray:
        results = compiled({"images": np.asarray(images, "float32")})
        return scores_in({key.get_any_name(): value for key, value in results.items()})

    return predict


def _compile(path: Path, precision: Precision) -> Any:
    hint = "bf16" if precision == "bfloat16" else "f32"
    options = {"INFERENCE_PRECISION_HINT": hint}
    return _core().compile_model(path / "model.xml", "CPU", options)


def _fastest(path: Path) -> Any:
    """Compiles a model in the faster precision on this CPU, and says which it is."""
    plain = _compile(path, "float32")
    if not has_bfloat16():
        return plain
    short = _compile(path, "bfloat16")
    sides = [side.get_length() for side in list(plain.input(0).partial_shape)[1:]]
    image = np.zeros((1, *sides), "float32")
    times: dict[str, list[float]] = {"float32": [], "bfloat16": []}
    for _ in range(_REPETITIONS):  # in turn, because other programs run too
        for precision, compiled in (("float32", plain), ("bfloat16", short)):
            start = time.perf_counter()
            compiled({"images": image})
            times[precision].append(time.perf_counter() - start)
    fastest = {precision: min(times[precision][1:]) for precision in times}
    chosen = min(fastest, key=fastest.__getitem__)
    rates = ", ".join(f"{1000 * each:.1f} ms in {x}" for x, each in fastest.items())
    text = f"OpenVINO computes in {chosen}: an image takes {rates}."
    make_console(stderr=True).print(text, soft_wrap=True)
    return short if chosen == "bfloat16" else plain


def _read_labels(path: Path) -> str | None:
    model = _core().read_model(path / "model.xml")
    if not model.has_rt_info(LABELS_FILE):
        return None
    return model.get_rt_info(LABELS_FILE).astype(str)


OPENVINO = Format(
    name="openvino",
    file="openvino",
    files=_FILES,
    description="the folder of an OpenVINO model",
    runtimes={"openvino": "auto", "openvino_float32": "float32"},
    write=lambda model, path, options: export_openvino(
        model, path, labels=options.labels, maps=options.maps
    ),
    recognizes=lambda path: (path / "model.xml").is_file(),
    load=_load,
    read_labels=_read_labels,
    tolerances={"float32": FLOAT32_TOLERANCE, "bfloat16": 0.2},
    precisions=lambda: ("float32", "bfloat16") if has_bfloat16() else ("float32",),
    extra="openvino",
)

"""Models for OpenVINO, which is the fastest on a CPU."""

import tempfile
from pathlib import Path

import keras

from kmlic.atomic_write import atomic_write
from kmlic.export.extras import import_extra
from kmlic.export.plain_graph import PlainGraph
from kmlic.labels import Labels

LABELS = "labels.json"


def export_openvino(
    model: keras.Model,
    folder: str | Path,
    *,
    labels: Labels | None,
    maps: bool = False,
) -> Path:
    """Writes a model for OpenVINO: images in, their probabilities out.

    The batch may have any size. Weights are float32; in which precision a CPU computes
    is decided when the model is loaded. The labels stand in the model's runtime
    information. Exclusive groups have outputs of their own, `<group>_probabilities` (B,
    K), beside the joined `probabilities`.

    Shapes: images (B, S, S, 3) float32 pixels 0-255 to probabilities (B, L), and with
    `maps` to maps (B, H, W, L) too.

    Args:
        model: functional model from images (B, S, S, 3) of a fixed size to logits.
        folder: gets model.xml and model.bin; what was there is replaced.
        labels: names and thresholds of the model's outputs; None for a model that gives
            embeddings, whose output is `embeddings` (B, D).
        maps: whether to give the maps too, which are the output of the model's layer
            "activation_maps".

    Raises:
        ValueError: if an argument does not fit.
        ImportError: if the extra openvino is not installed.
    """
    openvino = import_extra("openvino", "openvino")
    graph = PlainGraph(model, labels, maps=maps)
    with tempfile.TemporaryDirectory() as saved_model:
        graph.save(saved_model)
        # Not `openvino.convert_model`, which tells Google Analytics of every call.
        converted = openvino.Core().read_model(saved_model)
        if labels is not None:
            converted.set_rt_info(labels.to_json(), LABELS)
        with atomic_write(folder) as temporary:
            temporary.mkdir()
            # The default would store the weights in 16 bits.
            openvino.save_model(
                converted, temporary / "model.xml", compress_to_fp16=False
            )
    return Path(folder)

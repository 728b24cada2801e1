"""Requests that TF Serving answers before it takes others."""

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path

import tensorflow as tf

from kmlic.export.decode_bytes import decode_bytes
from kmlic.export.extras import import_extra


def can_warm_up() -> bool:
    """Tells whether the extra serving is installed, which `write_warm_up` needs."""
    return importlib.util.find_spec("tensorflow_serving") is not None


def write_warm_up(
    version: str | Path,
    files: Sequence[bytes],
    *,
    image_size: int,
    of_pixels: Mapping[str, tf.DType],
    of_bytes: Sequence[str],
) -> None:
    """Writes requests into a SavedModel, where TF Serving looks for them.

    Without them the first requests after a start take seconds, for what computes is
    built then.

    Args:
        version: folder of the SavedModel's version.
        files: encoded images. The first is asked alone, in every signature, and all
            together in those of bytes.
        image_size: side in pixels of the tensors that are asked.
        of_pixels: signatures that take `images`, and the type of these.
        of_bytes: signatures that take `image_bytes`.

    Raises:
        ValueError: if an image is broken.
        ImportError: if the extra serving is not installed.
    """
    images, ok = decode_bytes(tf.constant(list(files)), image_size=image_size)
    if not ok.numpy().all():
        raise ValueError(
            f"`files` must be whole images; got {(~ok.numpy()).sum()} broken ones."
        )
    requests = [
        (name, "images", tf.cast(images[:1], dtype))
        for name, dtype in of_pixels.items()
    ]
    for name in of_bytes:
        requests.append((name, "image_bytes", files[:1]))
        requests.append((name, "image_bytes", files))
    predict_pb2 = import_extra("tensorflow_serving.apis.predict_pb2", "serving")
    log_pb2 = import_extra("tensorflow_serving.apis.prediction_log_pb2", "serving")
    path = Path(version) / "assets.extra" / "tf_serving_warmup_requests"
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for name, key, value in requests:
            request = predict_pb2.PredictRequest()
            request.model_spec.signature_name = name
            request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
            log = log_pb2.PredictLog(request=request)
            record = log_pb2.PredictionLog(predict_log=log)
            writer.write(record.SerializeToString())

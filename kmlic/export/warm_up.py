"""Requests that TF Serving answers before it takes others."""

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path

import tensorflow as tf

from kmlic.export.decode_bytes import decode_bytes
from kmlic.require_extra import require_extra


def can_warm_up() -> bool:
    """Checks whether the extra serving is installed, which `write_warm_up` needs."""
    return importlib.util.find_spec("tensorflow_serving") is not None


def write_warm_up(
    version: str | Path,
    files: Sequence[bytes],
    *,
    image_size: int,
    dtypes: Mapping[str, tf.DType],
) -> None:
    """Writes warm-up requests into a SavedModel, where TF Serving looks for them.

    Without them the first requests after a start take seconds, because TensorFlow
    builds its kernels then.

    Args:
        version: folder of the SavedModel's version.
        files: encoded images. Every signature is asked for the first one; those of
            encoded images also for all together.
        image_size: side in pixels of the tensors in the requests.
        dtypes: signatures by name, with the type of their `images`; tf.string for those
            that take `image_bytes`.

    Raises:
        ValueError: if an image is broken.
        ImportError: if the extra serving is not installed.
    """
    images, ok = decode_bytes(tf.constant(list(files)), image_size=image_size)
    if not ok.numpy().all():
        raise ValueError(
            f"`files` must be complete images; got {(~ok.numpy()).sum()} broken ones."
        )
    requests = [
        (name, "images", tf.cast(images[:1], dtype))
        for name, dtype in dtypes.items()
        if dtype != tf.string
    ]
    for name, dtype in dtypes.items():
        if dtype == tf.string:
            requests.append((name, "image_bytes", files[:1]))
            requests.append((name, "image_bytes", files))
    require_extra("serving", "tensorflow_serving", "Writing requests to warm up with")
    from tensorflow_serving.apis import predict_pb2
    from tensorflow_serving.apis import prediction_log_pb2 as log_pb2

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

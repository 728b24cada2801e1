"""The README of a SavedModel, for those who serve it."""

import re
from pathlib import Path

import jinja2
import tensorflow as tf

from kmlic.export.servable import Servable, ServingOptions

_TEMPLATE = """\
# {{ name }}, version {{ version }}

A SavedModel for TF Serving 2.20 or later, or for anything that runs TensorFlow graphs.
{{ about }} It only needs TensorFlow's own operators.

## Start a server

In the parent of this folder, which holds one folder per version:

```bash
docker run --rm -p 8500:8500 -p 8501:8501 \\
  -v "$PWD:/models/{{ name }}" -e MODEL_NAME={{ name }} tensorflow/serving
```

A newer version in that folder is loaded without a restart. {{ warm }}

## Send a request over REST

```bash
echo "{\\"signature_name\\": \\"serve_bytes\\", \\"instances\\": [{\\"b64\\": \\
\\"$(base64 < photo.jpg | tr -d '\\n')\\"}]}" > request.json
curl --fail -d @request.json localhost:8501/v1/models/{{ name }}:predict
```

Each element of `predictions` has {{ keys }}.

## Send a request over gRPC

`pip install grpcio tensorflow-serving-api`; several images in one request:

```python
import pathlib

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

images = [pathlib.Path("photo.jpg").read_bytes()]
request = predict_pb2.PredictRequest()
request.model_spec.name = "{{ name }}"
request.model_spec.signature_name = "serve_bytes"
request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto(images))
with grpc.insecure_channel("localhost:8500") as channel:
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    response = stub.Predict(request, timeout=10)
for name, output in response.outputs.items():
    print(name, tf.make_ndarray(output))
```

## Signatures

| signature | input | outputs |
|---|---|---|
{% for cells in signatures -%}
| {{ cells | join(" | ") }} |
{% endfor %}
Batches may have any size B. Images are RGB pixels 0-255 of any height and width; they
are resized to {{ size }} x {{ size }} as in training.

{{ meaning }}
An image that is broken, empty, longer than {{ max_bytes }} bytes or larger than
{{ max_pixels }} pixels has `ok` false, zeros for scores and "" for names; other images
of the batch are not affected. So have TIFF, HEIC and AVIF images, a BMP that is
compressed or has other than 8, 24 or 32 bits, a PNG with compressed EXIF or XMP, and a
JPEG of very many scans.
"""


def write_readme(
    folder: Path, servable: Servable, version: int, options: ServingOptions
) -> None:
    """Writes README.md: how to start TF Serving and how to send requests.

    Args:
        folder: of the SavedModel's version, with its warm-up requests.
        servable: what was saved; characters of its model's name that a URL cannot hold
            are replaced.
        version: number of the version.
        options: limits of the images.
    """
    outputs = {
        name: answer.get_concrete_function().structured_outputs
        for name, (_, answer) in servable.signatures.items()
    }
    text = jinja2.Template(_TEMPLATE, keep_trailing_newline=True).render(
        name=re.sub(r"[^A-Za-z0-9_-]+", "_", servable.model.name),
        version=version,
        about=servable.about,
        meaning=servable.meaning,
        warm="At its start it answers the requests in `assets.extra` to warm up."
        if options.warm_up
        else "Its first answers take seconds, because it has no warm-up requests.",
        keys=", ".join(f"`{name}`" for name in next(iter(outputs.values()))),
        signatures=[
            (
                f"`{name}`",
                "`image_bytes` (B,): complete JPEG, PNG, GIF, BMP or WebP files"
                if dtype == tf.string
                else f"`images` (B, H, W, 3) {dtype.name}",
                ", ".join(f"`{key}` {_shape(x)}" for key, x in outputs[name].items()),
            )
            for name, (dtype, _) in servable.signatures.items()
        ],
        size=servable.image_size,
        max_bytes=f"{options.max_bytes:,}",
        max_pixels=f"{options.max_pixels:,}",
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def _shape(output: tf.TensorSpec) -> str:
    sides = ["B", *("?" if side is None else str(side) for side in output.shape[1:])]
    return f"({', '.join(sides)})" if len(sides) > 1 else "(B,)"

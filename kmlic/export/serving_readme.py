"""What stands beside a SavedModel for those who serve it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2

_TEMPLATE = """\
# {{ name }}, version {{ version }}

A SavedModel for TF Serving 2.20 or later, or for anything that runs TensorFlow graphs.
{{ about }} It needs TensorFlow's own operators only.

## Start a server

In the folder that holds the version folders, this one's parent:

```bash
docker run --rm -p 8500:8500 -p 8501:8501 \\
  -v "$PWD:/models/{{ name }}" -e MODEL_NAME={{ name }} tensorflow/serving
```

A newer version in that folder is loaded without a restart. {{ warm }}

## Ask it over REST

```bash
echo "{\\"signature_name\\": \\"serve_bytes\\", \\"instances\\": [{\\"b64\\": \\
\\"$(base64 < photo.jpg | tr -d '\\n')\\"}]}" > request.json
curl --fail -d @request.json localhost:8501/v1/models/{{ name }}:predict
```

Each element of `predictions` has {{ keys }}.

## Ask it over gRPC

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
{% for each in outputs -%}
| `{{ each.signature }}` | {{ each.input }} | {{ each.names }} |
{% endfor %}
Batches may have any size B. Pixels are RGB, 0-255, of any height and width; they are
resized to {{ size }} x {{ size }} as in training.

{{ meaning }}
An image that is broken, empty, longer than {{ max_bytes }} bytes or larger than
{{ max_pixels }} pixels has `ok` false, zeros for scores and "" for names; its
neighbours in the batch are not touched.
"""

# What signatures take, in words.
FILES = "`image_bytes` (B,): whole JPEG, PNG, GIF, BMP or WebP files"
PIXELS = "`images` (B, H, W, 3) float32"


def write_readme(
    version: str | Path,
    *,
    name: str,
    number: int,
    about: str,
    meaning: str,
    signatures: Sequence[tuple[str, str, Mapping[str, str]]],
    image_size: int,
    max_bytes: int,
    max_pixels: int,
) -> None:
    """Writes README.md: how to start TF Serving and how to ask it.

    Args:
        version: folder of the SavedModel's version.
        name: of the model; what a URL cannot hold is replaced.
        number: of the version.
        about: what the model does.
        meaning: what the outputs mean.
        signatures: name, input in words, and outputs with their shapes; the first
            is that of the examples, "serve_bytes".
        image_size: side in pixels that images are resized to.
        max_bytes: longest file that is looked into.
        max_pixels: largest height times width that is decoded.
    """
    version = Path(version)
    warm_up = version / "assets.extra" / "tf_serving_warmup_requests"
    text = jinja2.Template(_TEMPLATE, keep_trailing_newline=True).render(
        name=re.sub(r"[^A-Za-z0-9_-]+", "_", name),
        version=number,
        about=about,
        meaning=meaning,
        warm="It answers the requests in `assets.extra` before it takes others."
        if warm_up.is_file()
        else "Its first answers take seconds: it has no requests to warm up with.",
        keys=", ".join(f"`{key}`" for key in signatures[0][2]),
        outputs=[
            {
                "signature": signature,
                "input": images,
                "names": ", ".join(f"`{key}` {shape}" for key, shape in names.items()),
            }
            for signature, images, names in signatures
        ],
        size=image_size,
        max_bytes=f"{max_bytes:,}",
        max_pixels=f"{max_pixels:,}",
    )
    (version / "README.md").write_text(text, encoding="utf-8")

import keras
import numpy as np
import tensorflow as tf

from kmlic.export.servable import Servable, ServingOptions, answer_spec
from kmlic.export.write_servable import write_servable
from tests.export.toys import LABELS, random_images, tiny_model


def test_writes_every_signature_with_its_input_and_the_labels(tmp_path):
    model = tiny_model(nested=False, offset=None)

    @tf.function(input_signature=answer_spec(16))
    def answer(images, ok):
        return {"logits": model(images), "ok": ok}

    servable = Servable(
        model,
        16,
        {
            "files": (tf.string, answer),
            "bytes": (tf.uint8, answer),
        },
        about="It computes logits.",
        meaning="",
        labels=LABELS,
    )
    path = write_servable(servable, tmp_path, ServingOptions(version=4, max_bytes=99))
    assert path == tmp_path / "4"
    assert "# tiny, version 4" in (path / "README.md").read_text()
    assert "`logits` (B, 3), `ok` (B,)" in (path / "README.md").read_text()
    assert "99 bytes" in (path / "README.md").read_text()
    loaded = tf.saved_model.load(str(path))
    assert loaded.labels_json().numpy().decode() == LABELS.to_json()
    images = random_images(2).astype("uint8")
    given = loaded.signatures["bytes"](images=tf.constant(images))
    expected = keras.ops.convert_to_numpy(model(images.astype("float32")))
    np.testing.assert_allclose(given["logits"], expected, atol=1e-5)
    assert given["ok"].numpy().all()
    files = tf.constant([tf.io.encode_png(images[0]).numpy()])  # longer than allowed
    assert not loaded.signatures["files"](image_bytes=files)["ok"].numpy().any()

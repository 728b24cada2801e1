import io
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kmlic.data.decoding import resize_images
from kmlic.embedding_index import EmbeddingIndex
from kmlic.export import (
    ServingOptions,
    check_embedding_parity,
    export_embedding_model,
)
from tests.export.toys import random_images, tiny_model

NAMES = ("tiger", "größe", "bus", "same", "as tiger", "zero")
VECTORS = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
VECTORS[4], VECTORS[5] = VECTORS[0], 0
INDEX = EmbeddingIndex(NAMES, VECTORS)


@pytest.fixture(scope="module")
def model():
    return tiny_model(4)


@pytest.fixture(scope="module")
def artefact(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    return export_embedding_model(model, folder, index=INDEX, top_k=3)


@pytest.fixture(scope="module")
def signatures(artefact):
    loaded = tf.saved_model.load(str(artefact))
    yield loaded.signatures
    del loaded  # kept until now: it holds the weights


def png(image):
    file = io.BytesIO()
    Image.fromarray(image.astype("uint8")).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(("height", "width"), [(16, 16), (40, 23)])
def test_gives_embeddings_and_the_nearest_words(model, signatures, height, width):
    images = random_images(3, 48)[:, :height, :width]
    expected = np.asarray(model(resize_images(images, 16)))
    embedded = signatures["embed"](images=tf.constant(images))
    np.testing.assert_allclose(embedded["embeddings"], expected, atol=1e-5)
    found = signatures["serving_default"](images=tf.constant(images))
    nearest = INDEX.search(expected, 3)
    np.testing.assert_allclose(found["scores"], nearest.scores, atol=1e-5)
    words = np.char.decode(found["words"].numpy().astype("S"), "utf-8")
    np.testing.assert_array_equal(words, nearest.names.astype("U"))
    assert found["ok"].numpy().all() and embedded["ok"].numpy().all()


def test_answers_an_empty_batch_in_every_signature(signatures):
    pixels, files = tf.zeros((0, 20, 30, 3)), tf.zeros((0,), tf.string)
    for name, output, width in (
        ("embed", "embeddings", 4),
        ("serving_default", "scores", 3),
    ):
        assert signatures[name](images=pixels)[output].shape == (0, width)
    for name, output, width in (
        ("embed_bytes", "embeddings", 4),
        ("serve_bytes", "words", 3),
    ):
        assert signatures[name](image_bytes=files)[output].shape == (0, width)


def test_runs_without_kmlic_from_the_bytes_of_a_file(model, artefact, tmp_path):
    image = random_images(1, 33)[0].astype("uint8")
    (tmp_path / "image.png").write_bytes(png(image))
    script = """
import pathlib, sys
for room in ("kmlic", "keras_cv", "spektral"):
    sys.modules[room] = None
import tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
data = pathlib.Path(sys.argv[2]).read_bytes()
batch = tf.constant([b"", data, b"no image"])
found = loaded.signatures["serve_bytes"](image_bytes=batch)
embedded = loaded.signatures["embed_bytes"](image_bytes=batch)
assert found["ok"].numpy().tolist() == [False, True, False]
assert found["words"][0].numpy().tolist() == [b"", b"", b""]
assert not embedded["embeddings"][2].numpy().any()
print(embedded["embeddings"][1].numpy().tolist(), found["scores"][1].numpy().tolist())
"""
    result = subprocess.run(
        [sys.executable, "-c", script, str(artefact), str(tmp_path / "image.png")],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    embedding, scores = map(
        np.array, eval(f"[{result.stdout.strip().replace('] [', '], [')}]")
    )
    expected = np.asarray(model(resize_images(image[None], 16)))
    np.testing.assert_allclose(embedding, expected[0], atol=1e-5)
    np.testing.assert_allclose(scores, INDEX.search(expected, 3).scores[0], atol=1e-5)


def test_an_image_that_is_not_ok_has_no_words(signatures):
    images = random_images(3)
    images[1, 2, 3, 0] = np.nan
    found = signatures["serving_default"](images=tf.constant(images))
    assert found["ok"].numpy().tolist() == [True, False, True]
    assert found["words"][1].numpy().tolist() == [b"", b"", b""]
    assert np.isfinite(found["scores"]).all()
    assert (
        not signatures["embed"](images=tf.constant(images))["embeddings"][1]
        .numpy()
        .any()
    )


def test_an_embedding_of_zeros_is_near_to_nothing(tmp_path):
    image = keras.Input((16, 16, 3))
    zeros = keras.layers.Dense(4, kernel_initializer="zeros")(
        keras.layers.GlobalMaxPooling2D()(image)
    )
    model = keras.Model(image, zeros)
    path = export_embedding_model(
        model, tmp_path, index=INDEX, serving=ServingOptions(version=3)
    )
    assert path.name == "3"
    images = random_images(2)
    assert check_embedding_parity(model, path, images, index=INDEX) == 0


def test_says_what_does_not_fit(model, artefact, tmp_path):
    with pytest.raises(ValueError, match="got 4 for 3"):
        export_embedding_model(tiny_model(3), tmp_path, index=INDEX)
    with pytest.raises(ValueError, match="the 6 names; got top_k=7"):
        export_embedding_model(model, tmp_path, index=INDEX, top_k=7)
    serving = ServingOptions(version=1)
    with pytest.raises(ValueError, match=r"version=1 with \[1\]"):
        export_embedding_model(model, artefact.parent, index=INDEX, serving=serving)

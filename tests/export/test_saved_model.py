import io
import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2

from kmlic.data.decoding import resize_images
from kmlic.export import ServingOptions, check_parity, export_saved_model
from kmlic.export.format import ExportOptions
from kmlic.export.saved_model import SAVED_MODEL
from kmlic.labels import Labels
from tests.benchmarks.serving_load import ask, growth
from tests.export.toys import (
    EXCLUSIVE,
    LABELS,
    group_probabilities_of,
    maps_model,
    maps_of,
    probabilities_of,
    random_images,
    tiny_model,
)


@pytest.fixture(scope="module")
def signatures(saved_model):
    loaded = tf.saved_model.load(str(saved_model))
    yield loaded.signatures
    del loaded  # kept until now: it holds the weights


def jpeg(image):
    file = io.BytesIO()
    Image.fromarray(image.astype("uint8")).save(file, "JPEG")
    return file.getvalue()


@pytest.mark.parametrize(("height", "width"), [(16, 16), (40, 23)])
def test_gives_the_probabilities_of_the_model_for_tensors_of_any_size(
    model, signatures, height, width
):
    images = random_images(3, 48)[:, :height, :width]
    resized = resize_images(images, 16)
    result = signatures["serving_default"](images=tf.constant(images))
    expected = probabilities_of(model, resized)
    np.testing.assert_allclose(result["probabilities"], expected, atol=1e-5)
    whole = images.astype("uint8")
    result = signatures["serve_uint8"](images=tf.constant(whole))
    expected = probabilities_of(model, resize_images(whole, 16))
    np.testing.assert_allclose(result["probabilities"], expected, atol=1e-5)
    assert result["ok"].numpy().all()


def test_runs_without_kmlic_and_gives_the_same_for_the_bytes_of_a_jpeg(
    model, saved_model, tmp_path
):
    image = random_images(1, 33)[0]
    (tmp_path / "image.jpg").write_bytes(jpeg(image))
    script = """
import pathlib, sys
for room in ("kmlic", "keras_cv", "spektral"):
    sys.modules[room] = None
import tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
data = pathlib.Path(sys.argv[2]).read_bytes()
served = loaded.signatures["serve_bytes"](image_bytes=tf.constant([b"", data]))
pixels = tf.io.decode_jpeg(data, dct_method="INTEGER_ACCURATE")[None]
tensor = loaded.signatures["serve_uint8"](images=pixels)
rows = [*served["probabilities"].numpy(), *tensor["probabilities"].numpy()]
print([row.tolist() for row in rows])
"""
    run = subprocess.run(
        [sys.executable, "-I", "-c", script, saved_model, tmp_path / "image.jpg"],
        capture_output=True,
        text=True,
        check=True,
    )
    broken, from_bytes, from_tensor = json.loads(run.stdout)
    pixels = tf.io.decode_jpeg(jpeg(image), dct_method="INTEGER_ACCURATE")
    (expected,) = probabilities_of(model, resize_images(pixels, 16)[None])
    np.testing.assert_allclose(from_bytes, expected, atol=1e-5)
    np.testing.assert_allclose(from_tensor, expected, atol=1e-5)
    assert broken == [0.0, 0.0, 0.0]


def test_names_the_labels_at_their_thresholds_likeliest_first(model, signatures):
    images = random_images(6)
    result = signatures["serving_default"](images=tf.constant(images))
    rows = []
    for probabilities in result["probabilities"].numpy():
        order = np.argsort(-probabilities, kind="stable")
        rows.append(
            [
                LABELS.names[i]
                for i in order
                if probabilities[i] >= np.float32(LABELS.thresholds[i])
            ]
        )
    width = max(1, *map(len, rows))
    expected = [row + [""] * (width - len(row)) for row in rows]
    names = [[name.decode() for name in row] for row in result["labels"].numpy()]
    assert names == expected
    assert any(rows)


def test_marks_a_broken_image_without_touching_its_neighbours(model, signatures):
    images = random_images(3)
    images[1, 0, 0, 0] = np.nan
    result = signatures["serving_default"](images=tf.constant(images))
    assert result["ok"].numpy().tolist() == [True, False, True]
    assert result["labels"].numpy()[1].tolist() == [b""] * result["labels"].shape[1]
    expected = probabilities_of(model, images[[0, 2]])
    probabilities = result["probabilities"].numpy()
    np.testing.assert_allclose(probabilities[[0, 2]], expected, atol=1e-5)
    np.testing.assert_array_equal(probabilities[1], np.zeros(3))


def test_serves_a_batch_of_broken_files_only(signatures):
    result = signatures["serve_bytes"](image_bytes=tf.constant([b"", b"x"]))
    assert result["ok"].numpy().tolist() == [False, False]
    np.testing.assert_array_equal(result["probabilities"], np.zeros((2, 3)))
    assert result["labels"].numpy().tolist() == [[b""], [b""]]


def test_answers_an_empty_batch_in_every_signature(signatures):
    empty = {
        "serving_default": {"images": tf.zeros((0, 20, 30, 3))},
        "serve_uint8": {"images": tf.zeros((0, 20, 30, 3), tf.uint8)},
        "serve_bytes": {"image_bytes": tf.zeros((0,), tf.string)},
    }
    assert set(signatures) == set(empty)
    for name, inputs in empty.items():
        result = signatures[name](**inputs)
        assert result["probabilities"].shape == (0, 3)
        assert result["ok"].shape == (0,) and result["labels"].shape[0] == 0


def test_carries_its_labels(saved_model):
    assert Labels.read(saved_model / "assets/labels.json") == LABELS
    text = tf.saved_model.load(str(saved_model)).labels_json().numpy().decode()
    assert Labels.from_json(text) == LABELS


def test_numbers_versions_as_tf_serving_wants(model, tmp_path):
    (tmp_path / "7").mkdir()
    (tmp_path / "notes").mkdir()
    path = export_saved_model(model, tmp_path, labels=LABELS)
    assert path == tmp_path / "8"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["7", "8", "notes"]
    with pytest.raises(ValueError, match=r"version=7 with \[7, 8\]"):
        export_saved_model(
            model, tmp_path, labels=LABELS, serving=ServingOptions(version=7)
        )


def test_leaves_nothing_behind_when_it_fails(model, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(OSError, match="no space left"):
        export_saved_model(model, tmp_path, labels=LABELS)
    assert list(tmp_path.iterdir()) == []


def test_takes_the_image_size_of_the_labels_where_the_model_has_none(tmp_path):
    model, images = tiny_model(size=None), random_images()
    path = export_saved_model(model, tmp_path, labels=LABELS)
    served = tf.saved_model.load(str(path)).signatures["serving_default"]
    result = served(images=tf.constant(images))
    np.testing.assert_allclose(
        result["probabilities"], probabilities_of(model, images), atol=1e-5
    )
    with pytest.raises(ValueError, match=r"squares of one size.*None, None"):
        export_saved_model(model, tmp_path, labels=Labels(LABELS.names))


def test_holds_no_operator_that_needs_python(saved_model):
    content = (saved_model / "saved_model.pb").read_bytes()
    graph = saved_model_pb2.SavedModel.FromString(content).meta_graphs[0].graph_def
    functions = graph.library.function
    used = {node.op for function in functions for node in function.node_def}
    assert not [name for name in used if "Py" in name]
    names = [node.name for function in functions for node in function.node_def]
    assert not [name for name in names if "graph_offset" in name]


@pytest.mark.slow
def test_serves_threads_and_broken_images_without_errors_or_growth(saved_model):
    files = [jpeg(image) for image in random_images(6, 40)]
    load = ask(saved_model, files, threads=8, seconds=8, share_broken=0.05)
    assert load.errors == []
    assert load.images > 500 and 0.02 < load.broken / load.images < 0.08
    assert growth(load.memory) < 20


def test_says_how_many_labels_do_not_fit(model, tmp_path):
    with pytest.raises(ValueError, match="2 labels for 3 logits"):
        export_saved_model(model, tmp_path, labels=Labels(("a", "b")))


def test_gives_exclusive_groups_by_name_with_their_winning_labels(tmp_path):
    model, images = tiny_model(5), random_images(6)
    path = export_saved_model(model, tmp_path, labels=EXCLUSIVE)
    loaded = tf.saved_model.load(str(path))
    images[2, 0, 0, 0] = np.nan
    result = loaded.signatures["serving_default"](images=tf.constant(images))
    good = [0, 1, 3, 4, 5]
    expected = group_probabilities_of(model, images[good])
    winners = []
    for group, probabilities in expected.items():
        found = result[f"{group}_probabilities"].numpy()
        np.testing.assert_allclose(found[good], probabilities, atol=1e-5)
        assert not found[2].any()
        members = EXCLUSIVE.groups[group]
        names = [members[i].encode() for i in probabilities.argmax(axis=1)]
        winners.append(names)
        given = result[f"{group}_label"].numpy()
        assert given[good].tolist() == names and given[2] == b""
    assert result["labels"].numpy()[good].T.tolist() == winners
    joined = np.concatenate(list(expected.values()), axis=1)
    np.testing.assert_allclose(result["probabilities"].numpy()[good], joined, atol=1e-5)
    assert check_parity(model, path, images[good], tolerance=1e-5) < 1e-5


def test_gives_the_maps_on_request(tmp_path):
    model, images = maps_model(), random_images()
    path = export_saved_model(model, tmp_path, labels=LABELS, maps=True)
    loaded = tf.saved_model.load(str(path))
    broken = images.copy()
    broken[1] = np.nan
    result = loaded.signatures["serving_default"](images=tf.constant(broken))
    expected = maps_of(model, images)
    expected[1] = 0
    np.testing.assert_allclose(result["maps"], expected, atol=1e-5)
    probabilities = probabilities_of(model, images)
    np.testing.assert_allclose(result["probabilities"][0], probabilities[0], atol=1e-5)


def test_limits_the_images_that_serve_bytes_decodes(model, tmp_path):
    images = random_images(2)
    options = ExportOptions(LABELS, images, warm_up=False, limits={"max_pixels": 200})
    path = SAVED_MODEL.write(model, tmp_path / "1", options)
    served = tf.saved_model.load(str(path)).signatures["serve_bytes"]
    files = [jpeg(image) for image in (images[0], images[0][:8])]
    assert served(image_bytes=tf.constant(files))["ok"].numpy().tolist() == [
        False,
        True,
    ]

import io
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import prediction_log_pb2

from kmlic.export import ServingOptions, export_saved_model
from kmlic.export.warm_up import can_warm_up, write_warm_up
from tests.export.toys import LABELS, random_images


def files(count):
    for image in random_images(count, 20):
        file = io.BytesIO()
        Image.fromarray(image.astype("uint8")).save(file, "PNG")
        yield file.getvalue()


@pytest.fixture(scope="module")
def version(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("warm")
    serving = ServingOptions(warm_up=list(files(3)))
    return export_saved_model(model, folder, labels=LABELS, serving=serving)


def requests(version):
    path = version / "assets.extra/tf_serving_warmup_requests"
    for record in tf.data.TFRecordDataset(str(path)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        yield log.predict_log.request


def test_every_request_is_one_that_the_signatures_answer(version):
    loaded = tf.saved_model.load(str(version))
    asked = []
    for request in requests(version):
        name = request.model_spec.signature_name
        inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
        tensors = {key: tf.constant(value) for key, value in inputs.items()}
        result = loaded.signatures[name](**tensors)
        assert result["ok"].numpy().all()
        asked.append((name, *(value.shape[0] for value in inputs.values())))
    assert asked == [
        ("serving_default", 1),
        ("serve_uint8", 1),
        ("serve_bytes", 1),
        ("serve_bytes", 3),
    ]


def test_there_are_none_unless_asked_for(saved_model):
    assert not (saved_model / "assets.extra").exists()


def test_refuses_broken_images_and_leaves_nothing(model, tmp_path):
    serving = ServingOptions(warm_up=[b"", *files(1)])
    with pytest.raises(ValueError, match="must be complete images; got 1 broken"):
        export_saved_model(model, tmp_path, labels=LABELS, serving=serving)
    assert list(tmp_path.iterdir()) == []


def test_names_the_extra_that_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_serving", None)
    with pytest.raises(ImportError, match=r"kmlic\[serving\]"):
        write_warm_up(
            tmp_path, list(files(1)), image_size=8, dtypes={"serve": tf.string}
        )
    assert not can_warm_up()
    assert np.array(list(tmp_path.iterdir())).size == 0

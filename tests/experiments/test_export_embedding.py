import dataclasses

import numpy as np
import tensorflow as tf

from kmlic.embedding_index import EmbeddingIndex
from kmlic.experiments.export_embedding import export_embedding
from kmlic.export.warm_up import can_warm_up
from kmlic.models import build_devise, score_labels
from tests.experiments.zero_shot_toys import NAMES, RANDOM, dataset


def test_the_export_agrees_with_the_model(tmp_path):
    vectors = np.eye(6, 5)
    model = score_labels(build_devise(5, image_size=32), vectors[:2])
    images = RANDOM.uniform(0, 255, (6, 32, 32, 3)).astype("float32")
    data = dataset(NAMES)
    data = dataclasses.replace(
        data, test=tf.data.Dataset.from_tensors((images, np.eye(6)))
    )
    exports = export_embedding(EmbeddingIndex(NAMES, vectors), model, tmp_path, data)
    assert list(exports) == ["export/1"] and exports["export/1"] < 1e-5
    requests = tmp_path / "export/1/assets.extra/tf_serving_warmup_requests"
    assert requests.is_file() == can_warm_up()

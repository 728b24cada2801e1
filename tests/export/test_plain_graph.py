import numpy as np
import pytest

from kmlic.export.plain_graph import PlainGraph
from kmlic.labels import Labels
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


def test_gives_probabilities_and_maps_for_any_batch():
    model, images = maps_model(), random_images(3)
    outputs = PlainGraph(model, LABELS, maps=True).predict(images)
    np.testing.assert_allclose(
        outputs["probabilities"], probabilities_of(model, images), atol=1e-6
    )
    np.testing.assert_allclose(outputs["maps"], maps_of(model, images), atol=1e-6)


def test_gives_exclusive_groups_by_name():
    model, images = tiny_model(5), random_images()
    outputs = PlainGraph(model, EXCLUSIVE).predict(images)
    for group, probabilities in group_probabilities_of(model, images).items():
        found = outputs[f"{group}_probabilities"]
        np.testing.assert_allclose(found, probabilities, atol=1e-6)


def test_gives_the_embeddings_of_a_model_without_labels():
    model, images = tiny_model(), random_images()
    (name, given), *others = PlainGraph(model, None).predict(images).items()
    assert (name, others) == ("embeddings", [])
    np.testing.assert_allclose(given, model(images), atol=1e-6)


def test_fixes_the_batch_on_request_and_counts_labels():
    spec = PlainGraph(tiny_model(), LABELS, batch=1).predict.input_signature[0]
    assert spec.shape.as_list() == [1, 16, 16, 3] and spec.name == "images"
    with pytest.raises(ValueError, match="2 labels for 3 logits"):
        PlainGraph(tiny_model(), Labels(("a", "b")))

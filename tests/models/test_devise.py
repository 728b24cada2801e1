import keras
import numpy as np
import pytest

from kmlic.layers import LabelSimilarity
from kmlic.losses import CosineMargin, HingeRank
from kmlic.models import (
    build_classifier,
    build_devise,
    build_msrn,
    embedding_part,
    has_embedding,
    score_labels,
)
from kmlic.training import transfer_weights
from tests.checks import check_tflite

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.uniform(0, 255, (2, 32, 32, 3)).astype("float32")
VECTORS = RANDOM.normal(size=(5, 8)).astype("float32")


def small(**arguments):
    keras.utils.set_random_seed(0)
    return build_devise(8, image_size=32, **arguments)


def test_the_embedding_is_linear():
    model = small(dropout=0)
    dense = model.get_layer("embedding")
    features = keras.Model(model.input, model.get_layer("pool").output)(IMAGES)
    expected = np.asarray(features) @ dense.kernel.numpy() + dense.bias.numpy()
    np.testing.assert_allclose(model(IMAGES), expected, rtol=1e-4, atol=1e-5)
    assert (expected < 0).any()


def test_scores_are_the_cosines_to_the_label_vectors():
    model = small()
    expected = LabelSimilarity()(model(IMAGES), VECTORS)
    scores = score_labels(model, VECTORS)
    np.testing.assert_allclose(scores(IMAGES), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(embedding_part(scores)(IMAGES), model(IMAGES))


def test_starts_warm_from_the_softmax_classifier():
    source = build_classifier(5, backbone="small_cnn", image_size=32)
    source.get_layer("small_cnn").get_layer("conv1").kernel.assign_add(
        np.ones((3, 3, 3, 64))
    )
    model = score_labels(small(), VECTORS)
    copied, fresh = transfer_weights(source, model)
    backbone = source.get_layer("small_cnn").weights
    assert len(copied) == len(backbone)
    assert fresh == ["embedding/kernel", "embedding/bias", "label_vectors/value"]
    for mine, theirs in zip(
        model.get_layer("small_cnn").weights, backbone, strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("loss", [CosineMargin(seed=0), HingeRank()])
def test_learns_to_lie_near_the_labels_of_an_image(loss):
    model = score_labels(small(dropout=0), np.eye(5, 8))
    targets = np.array([[1, 0, 0, 1, 0], [0, 1, 0, 0, -1]], "float32")
    model.compile(keras.optimizers.Adam(0.01), loss)
    model.fit(IMAGES, targets, epochs=15, verbose=0)
    scores = np.asarray(model(IMAGES, training=True))
    assert scores[0, [0, 3]].min() > scores[0, [1, 2, 4]].max()
    assert scores[1].argmax() == 1


def test_hidden_layers_come_before_the_embedding():
    model = small(hidden_units=(6, 7))
    assert model.get_layer("hidden_2").output.shape == (None, 7)
    assert (np.asarray(model.get_layer("hidden_1").output.shape)[1:] == 6).all()


@pytest.mark.slow
def test_converts_to_litert():
    check_tflite(score_labels(small(), VECTORS), IMAGES)


def test_says_what_does_not_fit():
    with pytest.raises(ValueError, match="embedding_size=0"):
        build_devise(0)
    with pytest.raises(ValueError, match="hidden_units=0"):
        small(hidden_units=(0,))
    with pytest.raises(ValueError, match=r"\(L, 8\).*got shape \(5, 7\)"):
        score_labels(small(), VECTORS[:, :7])
    other = build_msrn(
        VECTORS,
        np.eye(5),
        backbone="small_cnn",
        num_groups=2,
        embedding_size=4,
        hidden_units=4,
        image_size=32,
    )
    assert not has_embedding(other)
    with pytest.raises(ValueError, match=r"named 'embedding'.* got 'msrn'"):
        embedding_part(other)

import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.layers import LabelSimilarity
from kmlic.losses import CosineMargin
from tests.shared import shared_path

RANDOM = np.random.default_rng(0)
COSINES = RANDOM.uniform(-1, 1, size=(6, 5)).astype("float32")
TARGETS = np.array(
    [
        [1, 0, 0, 0, 0],
        [0, 1, 1, 0, 0],
        [-1, 0, 1, -1, 0],
        [1, 1, 1, 1, 1],
        [0, 0, 0, 0, 0],
        [-1, -1, -1, -1, -1],
    ],
    "float32",
)


def pulls(row):
    present = TARGETS[row] == 1
    return (1 - COSINES[row])[present].mean() if present.any() else 0.0


def test_without_a_margin_it_is_the_mean_distance_to_the_labels_of_an_image():
    losses = CosineMargin(margin=None, reduction=None)(TARGETS, COSINES)
    np.testing.assert_allclose(losses, [pulls(row) for row in range(6)], atol=1e-6)
    mean = CosineMargin(margin=None)(TARGETS, COSINES)
    np.testing.assert_allclose(mean, np.mean([pulls(row) for row in range(4)]), 1e-6)


@pytest.mark.parametrize("margin", [0, 0.1, 1])
def test_adds_one_wrong_label_drawn_anew_each_time(margin):
    loss = CosineMargin(margin=margin, seed=1, reduction=None)
    seen = [set() for _ in range(6)]
    for _ in range(60):
        losses = np.asarray(loss(TARGETS, COSINES))
        for row in range(6):
            seen[row].add(round(float(losses[row]), 5))
    for row in range(6):
        wrong = TARGETS[row] == 0
        pushes = np.maximum(COSINES[row, wrong] - margin, 0) if wrong.any() else [0]
        if not (TARGETS[row] == 1).any():
            pushes = [0]
        expected = {round(float(pulls(row) + push), 5) for push in pushes}
        assert {round(x, 4) for x in seen[row]} == {round(x, 4) for x in expected}


def test_the_wrong_label_never_has_the_vector_of_a_right_one():
    cosines = np.array([[0.2, 0.2, 0.9, 0.5]], "float32")
    targets = np.array([[1, 0, 0, 0]], "float32")
    loss = CosineMargin(margin=-1, shared_labels=[(0, 1), (2, 3)], seed=0)
    losses = {round(float(loss(targets, cosines)), 4) for _ in range(40)}
    assert losses == {round(0.8 + 1.9, 4), round(0.8 + 1.5, 4)}
    alone = CosineMargin(shared_labels=[(0, 1, 2, 3)])
    np.testing.assert_allclose(alone(targets, cosines), 0.8, rtol=1e-6)


def test_matches_torch():
    arrays = np.load(shared_path("parity/losses.npz"))
    pairs = [
        [arrays[f"devise/{key}"][row] for key in ("true", "neg")] for row in range(6)
    ]
    cosines = np.concatenate(
        [
            LabelSimilarity()(arrays["devise/pred"][row : row + 1], np.stack(pair))
            for row, pair in enumerate(pairs)
        ]
    )
    targets = np.tile([[1.0, 0.0]], (6, 1))
    only = CosineMargin(margin=None, reduction=None)(targets, cosines)
    np.testing.assert_allclose(only, arrays["devise/cos_only"], rtol=1e-5)
    both = CosineMargin(margin=0.1, reduction=None)(targets, cosines)
    np.testing.assert_allclose(both, arrays["devise/cos_margin_0.1"], rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_is_float32_whatever_it_is_given(dtype):
    cosines = tf.Variable(tf.cast(COSINES, dtype))
    with tf.GradientTape() as tape:
        loss = CosineMargin()(TARGETS, cosines)
    assert loss.dtype == "float32"
    assert np.isfinite(np.asarray(tape.gradient(loss, cosines), "float32")).all()


def test_a_batch_without_labels_costs_nothing():
    assert float(CosineMargin()(TARGETS[4:], COSINES[4:])) == 0


def test_draws_inside_fit():
    images = keras.Input((3,))
    similarity = LabelSimilarity()(
        keras.layers.Dense(4)(images), keras.ops.convert_to_tensor(np.eye(5, 4))
    )
    model = keras.Model(images, similarity)
    model.compile("adam", CosineMargin(seed=0))
    history = model.fit(np.ones((6, 3)), TARGETS, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_survives_its_config():
    loss = CosineMargin(0.2, shared_labels=[(0, 2)], seed=3, reduction="sum")
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(loss)
    )
    assert copy.get_config() == loss.get_config()


def test_says_which_argument_is_out_of_its_limits():
    with pytest.raises(ValueError, match="margin=2"):
        CosineMargin(margin=2)
    with pytest.raises(ValueError, match=r"got \[1, 1\]"):
        CosineMargin(shared_labels=[(1, 1)])
    with pytest.raises(ValueError, match="below the 5 labels; got 7"):
        CosineMargin(shared_labels=[(1, 7)])(TARGETS, COSINES)
    with pytest.raises(ValueError, match="reduction='max'"):
        CosineMargin(reduction="max")

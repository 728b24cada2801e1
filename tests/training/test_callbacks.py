import keras
import numpy as np
import tensorflow as tf
from sklearn.metrics import average_precision_score

from kmlic.training import ValidationScores, make_strategy, predict_scores

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.normal(size=(21, 2, 2, 1)).astype("float32")
TARGETS = RANDOM.integers(0, 2, (21, 3)).astype("float32")
DATASET = tf.data.Dataset.from_tensor_slices((IMAGES, TARGETS))


def _model(strategy="single"):
    keras.utils.set_random_seed(0)
    with make_strategy(strategy).scope():
        images = keras.Input((2, 2, 1))
        x = keras.layers.Flatten()(images)
        model = keras.Model(images, keras.layers.Dense(3)(x))
        model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
    return model


def test_validation_scores_equal_scikit_learn_under_one_and_two_replicas():
    for strategy in ("single", "mirrored"):
        model = _model(strategy)
        callback = ValidationScores(DATASET.batch(4), model.loss)
        train = DATASET.batch(4, drop_remainder=True)
        logs = model.fit(train, verbose=0, shuffle=False, callbacks=[callback]).history
        targets, scores = predict_scores(model, DATASET.batch(4))
        assert len(targets) == 21
        expected = average_precision_score(TARGETS, scores)
        np.testing.assert_allclose(logs["val_mAP"], [expected], rtol=1e-6)
        loss = model.loss(TARGETS, model.predict(IMAGES, batch_size=21, verbose=0))
        np.testing.assert_allclose(logs["val_loss"], [float(loss)], rtol=1e-5)


UNKNOWN = tf.data.Dataset.from_tensor_slices((IMAGES, np.zeros_like(TARGETS)))


def test_a_metric_without_any_positive_is_undefined_and_not_zero():
    model, logs = _model(), {}
    callback = ValidationScores(UNKNOWN.batch(4), model.loss)
    callback.set_model(model)
    callback.on_epoch_end(0, logs)
    assert np.isnan(logs["val_mAP"]) and logs["val_loss"] > 0


def test_the_loss_stands_in_for_an_undefined_metric_of_ones_own():
    model = _model()
    for value, names in ((0.5, {"val_hit"}), (np.nan, {"val_hit", "val_loss"})):
        logs = {}
        callback = ValidationScores(
            DATASET.batch(4), model.loss, lambda *_, x=value: {"hit": x}, monitor="hit"
        )
        callback.set_model(model)
        callback.on_epoch_end(0, logs)
        assert set(logs) == names

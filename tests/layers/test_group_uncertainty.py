import json

import keras
import numpy as np
import pytest

from kmlic.layers import GroupUncertainty

LOGITS = np.random.default_rng(0).normal(size=(2, 5)).astype("float32")


def test_passes_logits_on_and_starts_with_equal_weights():
    layer = GroupUncertainty(3)
    np.testing.assert_array_equal(layer(LOGITS), LOGITS)
    np.testing.assert_array_equal(layer.log_variances, np.zeros(3))
    assert [weight.name for weight in layer.trainable_weights] == ["log_variances"]


def test_its_weight_is_saved_with_a_model(tmp_path):
    inputs = keras.Input((5,))
    model = keras.Model(inputs, GroupUncertainty(3, name="uncertainty")(inputs))
    model.get_layer("uncertainty").log_variances.assign([1.0, 2.0, 3.0])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    variances = loaded.get_layer("uncertainty").log_variances
    np.testing.assert_array_equal(variances, [1, 2, 3])


def test_survives_its_config_under_a_precision_policy():
    layer = GroupUncertainty(3, dtype=keras.DTypePolicy("mixed_bfloat16"))
    copy = GroupUncertainty.from_config(json.loads(json.dumps(layer.get_config())))
    assert copy.num_groups == 3 and copy.log_variances.dtype == "float32"


def test_says_that_there_must_be_groups():
    with pytest.raises(ValueError, match="num_groups=0"):
        GroupUncertainty(0)

import keras
import numpy as np
import pytest

from kmlic.training import transfer_weights


def _model(labels, width=4, prefix=""):
    x = images = keras.Input((3,))
    x = keras.layers.Dense(width, name=f"{prefix}hidden")(x)
    return keras.Model(images, keras.layers.Dense(labels, name=f"{prefix}logits")(x))


def test_copies_what_has_the_same_path_and_shape():
    source, target = _model(2), _model(5)
    copied, fresh = transfer_weights(source, target)
    assert copied == ["hidden/kernel", "hidden/bias"]
    assert fresh == ["logits/kernel", "logits/bias"]
    np.testing.assert_array_equal(target.get_weights()[0], source.get_weights()[0])


def test_skips_the_layers_named_even_where_they_would_fit():
    source, target = _model(2), _model(2)
    before = target.get_layer("logits").get_weights()[0]
    _, fresh = transfer_weights(source, target, skip_layers=["logits"])
    assert fresh == ["logits/kernel", "logits/bias"]
    np.testing.assert_array_equal(target.get_layer("logits").get_weights()[0], before)


def test_nothing_in_common_is_an_error():
    with pytest.raises(ValueError, match=r"'other_hidden/kernel'.*'hidden/kernel'"):
        transfer_weights(_model(2), _model(2, prefix="other_"))

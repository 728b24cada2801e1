import keras
import numpy as np
import pytest

from kmlic.export import freeze
from tests.export.toys import (
    GraphOffset,
    maps_model,
    maps_of,
    probabilities_of,
    random_images,
    tiny_model,
)


@pytest.mark.parametrize("nested", [False, True])
def test_gives_the_probabilities_of_the_model(nested):
    model = tiny_model(nested=nested)
    images = random_images()
    np.testing.assert_allclose(
        freeze(model)(images), probabilities_of(model, images), atol=1e-6
    )


@pytest.mark.parametrize("nested", [False, True])
def test_replaces_every_layer_that_has_another_form_for_exports(nested):
    frozen = freeze(tiny_model(nested=nested))
    names = {layer.name for layer in frozen._flatten_layers()}
    assert "constant_offset" in names
    assert "graph_offset" not in names


def test_gives_the_maps_on_request():
    model, images = maps_model(), random_images()
    frozen = freeze(model, maps=True)
    probabilities, maps = frozen(images)
    np.testing.assert_allclose(
        probabilities, probabilities_of(model, images), atol=1e-6
    )
    np.testing.assert_allclose(maps, maps_of(model, images), atol=1e-6)
    assert "graph_offset" not in {layer.name for layer in frozen.layers}


def test_says_which_model_has_no_maps():
    with pytest.raises(ValueError, match=r"'activation_maps', .* got 'tiny'"):
        freeze(tiny_model(), maps=True)


def test_keeps_a_layer_called_twice_one_layer():
    image = keras.Input((8, 8, 3))
    offset = GraphOffset()
    twice = offset(offset(image))
    model = keras.Model(image, keras.layers.GlobalMaxPooling2D()(twice))
    images = random_images(size=8)
    np.testing.assert_allclose(
        freeze(model)(images), probabilities_of(model, images), atol=1e-6
    )
    constants = [layer for layer in freeze(model).layers if "constant" in layer.name]
    assert len(constants) == 1


def test_shares_all_other_weights_and_leaves_the_model_as_it_was(tmp_path):
    model = tiny_model()
    images = random_images()
    config, logits = model.get_config(), np.asarray(model(images))
    frozen = freeze(model)
    assert {id(w) for w in frozen.weights} < {id(w) for w in model.weights}
    assert model.get_config() == config
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(images), logits)


def test_gives_float32_under_mixed_precision():
    image = keras.Input((8, 8, 3))
    x = keras.layers.GlobalMaxPooling2D()(image)
    model = keras.Model(image, keras.layers.Dense(2, dtype="mixed_bfloat16")(x))
    assert freeze(model).output.dtype == "float32"


def test_takes_a_sequential_model():
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), GraphOffset(), keras.layers.GlobalMaxPooling2D()]
    )
    images = random_images(size=8)
    np.testing.assert_allclose(
        freeze(model)(images), probabilities_of(model, images), atol=1e-6
    )


def test_says_which_outputs_are_no_logits():
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, keras.layers.Conv2D(2, 1)(image))
    with pytest.raises(ValueError, match=r"logits.*\(None, 8, 8, 2\)"):
        freeze(model)


def test_refuses_a_model_without_a_graph_of_layers():
    class Opaque(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(ValueError, match=r"functional or sequential.*Opaque"):
        freeze(Opaque())

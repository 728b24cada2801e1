import keras
import numpy as np
import pytest

from kmlic.layers.semantic_deconv_embedder import SemanticDeconvEmbedder
from tests.checks import check_layer
from tests.shared import shared_path

MAPS = np.random.default_rng(0).normal(size=(2, 2, 3, 5)).astype("float32")


@pytest.mark.parametrize("options", [{}, {"affine": True, "last_activation": "relu"}])
def test_keeps_the_layer_contract(options):
    arguments = {"channels": 3, "steps": 2, **options}
    check_layer(SemanticDeconvEmbedder, arguments, [MAPS], output_shape=(2, 8, 12, 3))


@pytest.mark.parametrize("affine", [False, True])
def test_matches_torch(affine):
    arrays = np.load(shared_path("parity/semantic_embed.npz"), allow_pickle=False)
    case = {
        key.removeprefix(f"affine{affine}/"): arrays[key]
        for key in arrays
        if key.startswith(f"affine{affine}/")
    }
    maps = case["x"].transpose(0, 2, 3, 1)
    layer = SemanticDeconvEmbedder(channels=1, affine=affine)
    layer.build(maps.shape)
    for step in range(5):
        kernel, bias = (case[f"w/{3 * step}.{part}"] for part in ("weight", "bias"))
        layer.upsample[step].set_weights([kernel.transpose(2, 3, 1, 0), bias])
        if affine:
            scale = [case[f"w/{3 * step + 1}.{part}"] for part in ("weight", "bias")]
            layer.normalise[step].set_weights(scale)

    x = maps
    for step in range(5):
        x = layer.upsample[step](x)
        _assert_close(x, case[f"deconv{3 * step}"])
        x = layer.activate[step](layer.normalise[step](x))
    _assert_close(x, case["y"])
    _assert_close(layer(maps), case["y"])


def test_normalises_each_map_of_each_image():
    outputs = np.asarray(SemanticDeconvEmbedder(channels=2, steps=3)(100 * MAPS + 7))
    np.testing.assert_allclose(outputs.mean(axis=(1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(outputs.std(axis=(1, 2)), 1, atol=1e-3)


def test_keeps_one_channel_per_label_until_the_last_step():
    layer = SemanticDeconvEmbedder(channels=3, steps=4)
    layer.build((None, 3, 3, 7))
    assert [each.filters for each in layer.upsample] == [7, 7, 7, 3]


def test_has_as_many_weights_as_the_paper_s_shapes_need():
    for affine, expected in ((False, 7788 + 177), (True, 7788 + 177 + 90)):
        layer = SemanticDeconvEmbedder(affine=affine)
        layer.build((None, 8, 8, 11))
        assert layer.count_params() == expected


def test_can_leave_the_last_step_as_it_is():
    layer = SemanticDeconvEmbedder(channels=1, steps=1, last_norm=False)
    np.testing.assert_allclose(layer(MAPS), layer.upsample[0](MAPS))


def test_takes_maps_of_any_size():
    symbol = keras.Input((None, None, 5))
    model = keras.Model(symbol, SemanticDeconvEmbedder(steps=2)(symbol))
    assert model.output_shape == (None, None, None, 1)
    assert model(MAPS).shape == (2, 8, 12, 1)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_stays_finite_in_low_precision(policy):
    # Squares of these maps are beyond float16.
    layer = SemanticDeconvEmbedder(steps=3, dtype=keras.DTypePolicy(policy))
    outputs = layer(2e3 * MAPS)
    assert outputs.dtype == policy.removeprefix("mixed_")
    assert np.isfinite(np.asarray(outputs, "float32")).all()
    flat = layer(np.zeros_like(MAPS))
    assert np.isfinite(np.asarray(flat, "float32")).all()


@pytest.mark.parametrize(
    "wrong", [{"channels": 0}, {"steps": 0}, {"kernel_size": 1}], ids=str
)
def test_says_which_number_is_wrong(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"got {name}={value}"):
        SemanticDeconvEmbedder(**wrong)


def _assert_close(actual, expected):
    expected = expected.transpose(0, 2, 3, 1)
    difference = np.abs(np.asarray(actual) - expected).max() / np.abs(expected).max()
    assert difference < 1e-4

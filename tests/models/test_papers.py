"""What every model of the table of papers must do."""

import functools
import inspect
import typing

import keras
import numpy as np
import pytest

import kmlic.models
from kmlic.check_limits import Limits
from kmlic.layers.keras_internals import flatten_layers
from tests.checks import check_model
from tests.models.papers import EXCLUSIVE, MODELS, NETWORK, SIZE

IMAGES = np.random.default_rng(0).uniform(0, 255, (2, SIZE, SIZE, 3)).astype("float32")


EVERY_MODEL = [
    pytest.param(name, marks=pytest.mark.slow if model.variant.slow else ())
    for name, model in MODELS.items()
]


@pytest.mark.parametrize("name", EVERY_MODEL)
def test_keeps_the_model_contract(name):
    model = MODELS[name]
    check_model(model.build(), IMAGES, model.outputs, promises=model.promises)


@pytest.mark.parametrize("name", EVERY_MODEL)
def test_returns_float32_near_the_exact_values_in_low_precision(name):
    model = MODELS[name].build()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = MODELS[name].build()
    finally:
        keras.config.set_dtype_policy("float32")
    assert "bfloat16" in {layer.compute_dtype for layer in flatten_layers(mixed)}
    mixed.set_weights(model.get_weights())
    outputs = mixed(IMAGES)
    assert outputs.dtype == "float32"
    np.testing.assert_allclose(outputs, model(IMAGES), atol=0.05)


# Every builder, and arguments that are right for it.
BUILDERS = {
    name: getattr(kmlic.models, name)
    for name in kmlic.models.__all__
    if name.startswith("build_")
}
RIGHT = {
    **NETWORK,
    "num_labels": 5,
    "embedding_size": 8,
    "word_vectors": np.eye(5),
    "adjacency": np.eye(5),
    "groups": EXCLUSIVE.groups,
}


@functools.cache
def cam_generator():
    """Returns what `build_semantic_resnest` needs."""
    return kmlic.models.build_cam_generator(5, **NETWORK)


def build(name, **changed):
    """Calls a builder with arguments that are right but for the changed ones."""
    parameters = inspect.signature(BUILDERS[name]).parameters
    own = {argument: RIGHT[argument] for argument in parameters if argument in RIGHT}
    if "cam_generator" in parameters:
        own["cam_generator"] = cam_generator()
    return BUILDERS[name](**{**own, **changed})


def limited(hint):
    """Returns whether a type is that of numbers with limits."""
    arguments = typing.get_args(hint)
    own = any(isinstance(each, Limits) for each in getattr(hint, "__metadata__", ()))
    return own or any(limited(each) for each in arguments)


LIMITED = [
    (name, argument)
    for name, builder in BUILDERS.items()
    for argument, hint in typing.get_type_hints(builder, include_extras=True).items()
    if limited(hint)
]


@pytest.mark.parametrize("wrong", [-1, float("nan"), (1, -2)], ids=str)
@pytest.mark.parametrize(("name", "argument"), LIMITED)
def test_refuses_numbers_out_of_their_limits(name, argument, wrong):
    with pytest.raises(ValueError, match=rf"^`{argument}` must be .*; got {argument}="):
        build(name, **{argument: wrong})


@pytest.mark.parametrize("name", BUILDERS)
def test_gives_every_whole_number_its_limits(name):
    hints = typing.get_type_hints(BUILDERS[name], include_extras=True)
    plain = [argument for argument, hint in hints.items() if hint in (int, int | None)]
    assert set(plain) <= {"feature_map"}  # an index


@pytest.mark.parametrize(
    ("argument", "wrong", "sentence"),
    [
        ("backbone", 5, r"`backbone` must be .*; got backbone=5\."),
        ("backbone", "x", r"`backbone` must be one of .*; got backbone='x'\."),
        ("image_size", (32, 64), r"`image_size` must be .*; got .*\(32, 64\)\."),
        ("image_size", 20.5, r"`image_size` must be a whole number; got .*=20\.5\."),
    ],
)
@pytest.mark.parametrize("name", BUILDERS)
def test_says_what_is_wrong_with_the_network(name, argument, wrong, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        build(name, **{argument: wrong})

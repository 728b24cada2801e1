"""The count of parameters, of a classifier of 1,000 classes and without it."""

import math

import pytest

from kmlic.backbones import build_backbone

HEADS = {512: 513_000, 2048: 2_049_000}


def check_counts(name, trainable, statistics):
    """Checks trainable parameters and moving statistics against timm's numbers."""
    model = build_backbone(name, include_top=True)
    assert _count(model.trainable_weights) == trainable
    assert _count(model.non_trainable_weights) == statistics
    head = HEADS[model.get_layer("global_pool").output.shape[-1]]
    assert _count(model.get_layer("fc").weights) == head


def slow(*arguments):
    """Marks one set of arguments of a parametrized test as slow."""
    return pytest.param(*arguments, marks=pytest.mark.slow)


def _count(weights):
    return sum(math.prod(weight.shape) for weight in weights)

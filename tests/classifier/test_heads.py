import dataclasses
import io

import keras
import numpy as np
import pytest
from rich.console import Console

from kmlic.classifier import heads as stage
from kmlic.classifier.budget import Budget
from kmlic.classifier.check import check
from kmlic.classifier.features import features
from kmlic.classifier.floor import floor
from kmlic.classifier.heads import heads
from kmlic.classifier.protocol import make_protocol
from kmlic.explain import activation_maps
from tests.classifier.photos import backbone, write_photos

SIZE = 128


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    place = tmp_path_factory.mktemp("heads")
    images = check(write_photos(place / "photos", 60), place).images
    found = features(images, backbone, place, Budget(5), image_size=SIZE)
    protocol = make_protocol(images)
    return images, found, floor(images, found, protocol, place, Budget(5)), protocol


def test_the_model_gives_the_logits_that_were_compared(setting, tmp_path, monkeypatch):
    images, found, base, protocol = setting
    monkeypatch.setattr(stage, "_WEIGHTS", (0.5,))
    # As if one fold had been fitted to all images.
    same = dataclasses.replace(base, fold_weights=(base.weights,))
    rows = images.training_rows
    all_rows = dataclasses.replace(protocol, folds=((rows, rows),), scored=rows)
    pooled = found.pooled[:, rows][:, :, base.columns]
    logits = np.array([base.weights(view) for view in pooled])
    logits[1] = logits.mean(axis=0)
    candidate = dataclasses.replace(base.candidate, logits=logits)
    same = dataclasses.replace(same, candidate=candidate)
    (peaks,) = heads(images, found, same, all_rows, tmp_path, Budget(5))
    own = backbone(SIZE)
    model = keras.Model(own.input, peaks.attach(own, ""))
    pixels, _ = next(iter(images.batches(rows[:4], image_size=SIZE, batch_size=4)))
    np.testing.assert_allclose(model(pixels), peaks.logits[0, :4], atol=2e-2)
    assert activation_maps(model, pixels.numpy()).shape == (4, 8, 8, 3)


def test_is_left_out_where_it_does_not_help(setting, tmp_path, monkeypatch):
    images, found, base, protocol = setting
    monkeypatch.setattr(stage, "_WEIGHTS", (0.0,))
    assert not heads(images, found, base, protocol, tmp_path, Budget(5))
    text = io.StringIO()
    budget = Budget(5, Console(file=text))
    for maps in (None, found.maps[:, :, :1, :1]):
        other = dataclasses.replace(found, maps=maps)
        assert not heads(images, other, base, protocol, tmp_path, budget)
    assert "feature maps have 1 position only" in text.getvalue()

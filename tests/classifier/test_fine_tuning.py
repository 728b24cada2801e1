import dataclasses
import io
from unittest import mock

import keras
import numpy as np
import pytest
from rich.console import Console

from kmlic.classifier import ClassifierSettings
from kmlic.classifier import fine_tuning as stage
from kmlic.classifier import protocol as folds
from kmlic.classifier.budget import Budget
from kmlic.classifier.check import check
from kmlic.classifier.features import _view, features
from kmlic.classifier.fine_tuning import fine_tuning
from kmlic.classifier.floor import floor
from kmlic.classifier.protocol import Protocol, make_protocol
from kmlic.explain import activation_maps
from kmlic.models import average_models
from tests.classifier.photos import backbone, write_photos

SIZE = 64


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    place = tmp_path_factory.mktemp("fine_tuning")
    images = check(write_photos(place / "photos", 60), place).images
    budget = Budget(60)
    found = features(images, backbone, place, budget, image_size=SIZE, activations=True)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(folds, "_NUM_FOLDS", 3)  # a network is trained in each
        protocol = make_protocol(images)
    base = floor(images, found, protocol, place, budget)
    return images, found, base, protocol, place


def _run(setting, minutes=60.0, **changes):
    images, found, base, protocol, place = setting
    return fine_tuning(
        images,
        found,
        base,
        protocol,
        backbone,
        place,
        Budget(minutes),
        settings=ClassifierSettings(**changes),
        reserve=0.0,
    )


def _use_one_fold(monkeypatch):
    """Lets a plan score the first fold alone, as where time is short."""
    monkeypatch.setattr(stage, "_FEWEST_FOLDS", 1)
    monkeypatch.setattr(stage, "_EPOCHS_OF_MEMBER", 10**6)


def test_leaves_out_what_images_or_time_do_not_allow(setting, monkeypatch):
    assert not _run(setting)
    monkeypatch.setattr(stage, "_FEWEST_IMAGES", 10)
    assert not _run(setting, minutes=0.01)


def test_says_why_a_backbone_or_a_size_cannot_be_fine_tuned(setting, monkeypatch):
    images, found, *rest = setting
    monkeypatch.setattr(stage, "_FEWEST_IMAGES", 10)
    without = dataclasses.replace(found, activations=None)
    text = io.StringIO()
    budget = Budget(60, Console(file=text, width=200))
    arguments = (images, without, *rest[:2], backbone, rest[2], budget)
    options = {"settings": ClassifierSettings(), "reserve": 0.0}
    assert not fine_tuning(*arguments, **options)
    assert "choose a smaller --image_size" in text.getvalue()
    monkeypatch.setattr(stage, "cut_backbone", lambda _: None)
    assert not fine_tuning(*arguments, **options)
    assert "choose another --backbone" in text.getvalue()


def test_reads_each_view_of_each_image(setting, tmp_path):
    images, found, base, *_ = setting
    own = stage._Setting(images, found, base, backbone, ClassifierSettings())
    inputs, _ = stage._load_inputs(
        own, found.activations, 2, tmp_path, Budget(60), "fine-tuning"
    )
    assert inputs.num_views == 4
    lower, _ = own.cut()
    rows = images.training_rows[[7, 1, 9, 7, 3]]
    assert (rows != [7, 1, 9, 7, 3]).any()  # test images lie between them
    views = np.array([0, 1, 2, 3, 2])
    read = inputs.read(rows, views)
    for place, (row, view) in enumerate(zip(rows, views, strict=True)):
        one = images.batches(np.array([row]), image_size=SIZE, batch_size=1)
        pixels, _ = next(iter(one))
        expected = lower(_view(pixels, np.array([row]), int(view)))[0]
        np.testing.assert_allclose(read[place], expected, rtol=1e-2, atol=1e-2)


def test_fewer_minutes_do_not_train_what_more_had_planned(
    setting, monkeypatch, tmp_path
):
    images, found, base, protocol, _ = setting
    own = (images, found, base, protocol, tmp_path)
    monkeypatch.setattr(stage, "_FEWEST_IMAGES", 10)
    plans = {3600.0: stage._Plan(0.0, 2, 1, 0), 60.0: stage._Plan(0.0, 1, 1, 0)}
    monkeypatch.setattr(
        stage, "_plan", lambda *given: (plans[given[2].seconds], "planned")
    )
    train = stage._train
    epochs = []

    def fail(*arguments):
        epochs.append(arguments[5])
        if len(epochs) == 1:
            raise KeyboardInterrupt
        return train(*arguments)

    monkeypatch.setattr(stage, "_train", fail)
    with pytest.raises(KeyboardInterrupt):
        _run(own)
    _run(own, minutes=1.0)
    assert epochs == [2, 1]
    # What is trained is taken, with fewer minutes too.
    _run(own)
    plans[60.0] = stage._Plan(0.0, 0, 1, 0)
    _run(own, minutes=1.0)
    assert epochs == [2, 1, 2]


def test_scores_fewer_folds_when_time_is_over(setting, monkeypatch, tmp_path):
    images, found, base, protocol, _ = setting
    own = (images, found, base, protocol, tmp_path)
    monkeypatch.setattr(stage, "_FEWEST_IMAGES", 10)
    plan = stage._Plan(0.0, 1, len(protocol.folds), 0)
    monkeypatch.setattr(stage, "_plan", lambda *_: (plan, "planned"))
    (candidate,) = _run(own, minutes=0.001)
    scored = sum(len(rows) for _, rows in protocol.folds[:2])
    assert candidate.logits.shape == (2, scored, 3)
    monkeypatch.setattr(stage, "_train", mock.Mock(side_effect=AssertionError))
    (again,) = _run(own, minutes=0.001)
    np.testing.assert_array_equal(again.logits, candidate.logits)


def test_starts_from_the_floor(setting):
    images, found, base, *_ = setting
    own = stage._Setting(images, found, base, backbone, ClassifierSettings())
    lower, upper = own.cut()
    head = own.head(upper, base.weights)
    batch, _ = next(iter(images.batches(np.arange(4), image_size=SIZE, batch_size=4)))
    expected = base.weights(found.pooled[0, :4, base.columns])
    np.testing.assert_allclose(head(lower(batch)), expected, atol=1e-3)


def test_the_built_model_gives_what_training_left(setting, monkeypatch):
    images, *_, place = setting
    monkeypatch.setattr(stage, "_FEWEST_IMAGES", 10)
    monkeypatch.setattr(stage, "_MOST_EPOCHS", 1)
    monkeypatch.setattr(stage, "_EPOCHS_OF_MEMBER", 1)
    monkeypatch.setattr(stage, "_FEWEST_EPOCHS_MIXED", 1)
    monkeypatch.setattr(stage, "_MOST_MEMBERS", 2)
    (candidate,) = _run(setting)
    rows = len(images.training_rows)
    assert candidate.logits.shape == (2, rows, 3)
    model = candidate.model()
    again = candidate.model()
    batch = np.random.default_rng(0).uniform(0, 255, (2, SIZE, SIZE, 3))
    np.testing.assert_array_equal(model(batch), again(batch))
    # Its maps are those of the first network, with mirror images too.
    maps = activation_maps(model, batch)
    assert maps.shape[-1] == 3 and (np.ptp(maps, axis=(1, 2)) > 0).all()
    mirrored = average_models([model], flips=True)
    np.testing.assert_allclose(activation_maps(mirrored, batch), maps, rtol=1e-4)
    # A second run finds everything there.
    (same,) = _run(setting)
    np.testing.assert_array_equal(same.logits, candidate.logits)
    assert list(place.glob("fine-tuning-*/fold-3-1-4-1.npz"))
    # Another loss is another training.
    monkeypatch.setattr(stage, "_MOST_MEMBERS", 1)
    _use_one_fold(monkeypatch)
    (other,) = _run(setting, loss="asymmetric", positive_weights="frequency")
    scored = other.logits.shape[1]
    assert np.abs(other.logits - candidate.logits[:, :scored]).max() > 1e-3


def test_the_values_of_epochs_are_logged(setting, monkeypatch, tmp_path):
    loader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    )
    images, found, base, protocol, _ = setting
    monkeypatch.setattr(stage, "_FEWEST_IMAGES", 10)
    monkeypatch.setattr(stage, "_MOST_EPOCHS", 1)
    monkeypatch.setattr(stage, "_MOST_MEMBERS", 1)
    monkeypatch.setattr(stage, "_EPOCHS_OF_MEMBER", 10**6)
    folder = tmp_path / "run"
    _run((images, found, base, protocol, tmp_path), folder=folder, log="tensorboard")
    logs = list((tmp_path / "run.log").iterdir())
    assert all(each.name.startswith("fine-tuned fold-") for each in logs)
    events = loader.EventAccumulator(str(logs[0] / "train"))
    events.Reload()
    assert len(events.Tensors("epoch_loss")) == 1


def test_scores_the_first_folds_where_time_is_short(setting, monkeypatch, tmp_path):
    images, found, base, protocol, _ = setting
    monkeypatch.setattr(stage, "_FEWEST_IMAGES", 10)
    monkeypatch.setattr(stage, "_MOST_EPOCHS", 3)
    monkeypatch.setattr(stage, "_MOST_MEMBERS", 1)
    monkeypatch.setattr(stage, "_EPOCHS_OF_MEMBER", 10**6)
    (candidate,) = _run((images, found, base, protocol, tmp_path))
    scored = sum(len(rows) for _, rows in protocol.folds[:2])
    assert candidate.logits.shape == (2, scored, 3)
    # The model of all images is trained all the same.
    candidate.model()
    (all_images,) = tmp_path.glob("fine-tuning-*/all-training-images-*.npz")
    assert "-3-0-0" in all_images.name


@pytest.fixture
def called(monkeypatch):
    """Lists the calls of `mix`."""
    calls, mix = [], stage.mix

    def count(*arguments):
        calls.append(arguments)
        return mix(*arguments)

    monkeypatch.setattr(stage, "mix", count)
    return calls


def test_mixes_images_in_long_trainings_alone(setting, monkeypatch, tmp_path, called):
    images, found, base, protocol, _ = setting
    monkeypatch.setattr(stage, "_FEWEST_IMAGES", 10)
    monkeypatch.setattr(stage, "_MOST_EPOCHS", 1)
    monkeypatch.setattr(stage, "_MOST_MEMBERS", 1)
    _use_one_fold(monkeypatch)
    own = (images, found, base, protocol, tmp_path)
    assert _run(own)
    assert not called
    assert not list(tmp_path.glob("crops-*"))
    monkeypatch.setattr(stage, "_FEWEST_EPOCHS_MIXED", 1)
    _run(own, minutes=61.0, seed=1)
    assert called
    assert list(tmp_path.glob("crops-*"))


def test_mixes_no_images_where_crops_leave_too_little_time(
    setting, monkeypatch, tmp_path, called
):
    monkeypatch.setattr(stage, "_FEWEST_IMAGES", 10)
    monkeypatch.setattr(stage, "_FEWEST_EPOCHS_MIXED", 1)
    for minutes, crops in ((60.0, 0), (61.0, 1)):
        plan = stage._Plan(60 * minutes, 2, 1 + crops, crops)
        monkeypatch.setattr(stage, "_plan", lambda *_, plan=plan: (plan, "planned"))
        _run((*setting[:4], tmp_path), minutes=minutes)
        assert bool(called) == bool(crops)


def test_removes_crops_that_are_no_longer_used(setting, monkeypatch, tmp_path):
    own = (*setting[:4], tmp_path)
    monkeypatch.setattr(stage, "_FEWEST_IMAGES", 10)
    plans = {3600.0: stage._Plan(0.0, 1, 1, 2), 60.0: stage._Plan(0.0, 1, 1, 0)}
    monkeypatch.setattr(
        stage, "_plan", lambda *given: (plans[given[2].seconds], "planned")
    )
    with monkeypatch.context() as patched:
        patched.setattr(stage, "_train", mock.Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            _run(own)
    assert list(tmp_path.glob("crops-*-2"))
    _run(own, minutes=1.0)
    assert not list(tmp_path.glob("crops-*"))


def test_networks_that_are_trained_need_no_crops(setting, monkeypatch, tmp_path):
    own = (*setting[:4], tmp_path)
    monkeypatch.setattr(stage, "_FEWEST_IMAGES", 10)
    plan = stage._Plan(3600.0, 1, 1, 1)
    monkeypatch.setattr(stage, "_plan", lambda *_: (plan, "planned"))
    (first,) = _run(own)
    stage.remove_crops(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(stage, "compute_outputs", None)
        (again,) = _run(own)
    np.testing.assert_array_equal(again.logits, first.logits)
    assert not list(tmp_path.glob("crops-*"))
    again.model()  # of all images, which is not trained yet
    assert list(tmp_path.glob("crops-*-1"))


def test_one_of_each_is_in_the_singular(setting, monkeypatch, tmp_path):
    images, found, base, protocol, _ = setting
    monkeypatch.setattr(stage, "_FEWEST_IMAGES", 10)
    ones = ("_MOST_EPOCHS", "_MOST_MEMBERS", "_FEWEST_EPOCHS_MIXED", "_MOST_CROPS")
    for name in (*ones, "_FEWEST_FOLDS"):
        monkeypatch.setattr(stage, name, 1)
    text = io.StringIO()
    for minutes in (60.0, 50.0):
        budget = Budget(minutes, Console(file=text, width=300))
        monkeypatch.setattr(budget, "do", budget.say)
        fine_tuning(
            images,
            found,
            base,
            protocol,
            backbone,
            tmp_path,
            budget,
            settings=ClassifierSettings(),
            reserve=0.0,
        )
    said = text.getvalue()
    assert "images in 1 of 3 folds, 1 random crop of each: time for 1 epoch\n" in said
    assert "fold 1, network 1 of 1, 1 epoch\n" in said
    assert "fine-tuning: 1 epoch: mAP" in said
    assert "as before, 1 epoch in 1 fold\n" in said


def test_pays_once_for_the_network_of_one_split(setting, monkeypatch, tmp_path):
    images, found, base, protocol, _ = setting
    monkeypatch.setattr(stage, "_FEWEST_IMAGES", 10)
    monkeypatch.setattr(stage, "_MOST_EPOCHS", 1)
    monkeypatch.setattr(stage, "_MOST_MEMBERS", 1)
    (_, scored), *_ = protocol.folds
    one = Protocol(protocol.folds[:1], scored, scored % 5, False)
    budget = Budget(60)
    (candidate,) = fine_tuning(
        images,
        found,
        base,
        one,
        backbone,
        tmp_path,
        budget,
        settings=ClassifierSettings(),
        reserve=0.0,
    )
    paid = []
    monkeypatch.setattr(budget, "take_over", paid.append)
    candidate.model()
    assert not paid


@pytest.mark.parametrize(
    ("name", "weights", "expected"),
    [
        ("auto", "none", "partial_binary_crossentropy"),
        ("two_way", "none", "two_way_loss"),
        ("ldam", "effective", "label_distribution_aware_margin_loss"),
        ("self_paced", "frequency", "self_paced_loss_correction"),
    ],
)
def test_trains_with_the_loss_that_settings_name(setting, name, weights, expected):
    images, found, base, *_ = setting
    settings = ClassifierSettings(loss=name, positive_weights=weights)
    own = stage._Setting(images, found, base, backbone, settings)
    _, upper = own.cut()
    head = own.head(upper, base.weights)
    own.compile(head, upper, steps=2, epochs=3)
    assert head.loss.name == expected
    maps = np.zeros((4, *upper.input_shape[1:]))
    assert np.isfinite(head.train_on_batch(maps, images.targets[:4].astype("float32")))


def test_exclusive_groups_have_a_loss_of_their_own(tmp_path):
    images = check(write_photos(tmp_path, 12, one_each=True), tmp_path).images
    settings = ClassifierSettings(positive_weights="frequency")
    own = stage._Setting(images, None, None, backbone, settings)
    loss = own._make_loss(keras.optimizers.Adam(), 1, 1)
    assert loss.name == "group_focal_loss"
    assert len(loss.get_config()["label_weights"]) == 3

import dataclasses

import keras

from kmlic.experiments import (
    CachedSettings,
    Experiment,
    add_linear_probes,
    cache_features,
    choose_rows,
    train_rows,
)
from kmlic.metrics import average_precision
from tests.toys import toy_data, toy_model, toy_settings


def load(settings, seed):
    return toy_data()


def backbone(settings):
    images = keras.Input((8, 8, 3), name="images")
    return keras.Model(images, keras.layers.Rescaling(1 / 255)(images))


def test_every_row_is_trained_with_every_seed(tmp_path, capsys):
    experiment = Experiment("toy", toy_settings(tmp_path / "run"))
    rows = choose_rows(experiment.settings, {"a": {}, "b": {"epochs": 1}}, ("a", "b"))
    built = []

    def build(settings, data, seed):
        built.append((settings.epochs, seed))
        return toy_model()

    train_rows(experiment, rows, build, load=load)
    assert built == [(2, 0), (1, 0), (2, 1), (1, 1)]
    assert [len(each.epochs) for each in experiment.trained["b"].values()] == [1, 1]
    output = capsys.readouterr().out
    assert "Training 1 of 4." in output and "Training 4 of 4, about" in output


def test_rows_trained_on_cached_features_are_saved_with_their_extractor(tmp_path):
    toys = toy_settings(tmp_path / "run", seeds=(0,))
    fields = {each.name: getattr(toys, each.name) for each in dataclasses.fields(toys)}
    settings = CachedSettings(
        **{
            **fields,
            "batch_size": 8,
            "cache_features": True,
            "cache_dir": tmp_path / "features",
            "linear_probe": True,
        }
    )
    features = cache_features(settings, backbone, load=load)
    experiment = Experiment("toy", settings)

    def build(settings, data, seed):
        assert data.source is not None
        model = toy_model()
        return clone_above(model)

    train_rows(experiment, {"a": settings}, build, features=features, load=load)
    model = experiment.trained["a"][0].load_model()
    assert model.input_shape == (None, 8, 8, 3)
    add_linear_probes(experiment, features=features, load=load)
    targets, scores = experiment.trained["logistic regression"][0].scores["test"]
    assert scores.shape == targets.shape == (40, 3)
    assert average_precision(targets, scores).mean() > 0.9
    plain = dataclasses.replace(settings, cache_features=False)
    assert cache_features(plain, backbone, load=load) == {}


def clone_above(model):
    maps = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(maps)
    logits = keras.layers.Dense(3, name="logits")(pooled)
    head = keras.Model(maps, logits)
    head.compile("sgd", model.loss)
    return head

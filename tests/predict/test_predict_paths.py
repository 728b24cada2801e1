import keras
import numpy as np
import pytest

from kmlic.labels import Labels
from kmlic.predict import Scorer, predict_paths
from tests.predict.toys import (
    LABELS,
    colour_model,
    write_broken,
    write_image,
    write_run,
)

YELLOW = 1 / (1 + np.exp([-3, -3, 3]))


def scorer():
    return Scorer.of_model(colour_model(), LABELS)


def test_gives_the_labels_of_each_image_likeliest_first(tmp_path):
    write_image(tmp_path / "a.png", (200, 255, 0))
    write_image(tmp_path / "b/c.jpg", "black", "JPEG", size=(50, 30))
    first, second = predict_paths(scorer(), [tmp_path])
    assert (first.path, second.path) == (tmp_path / "a.png", tmp_path / "b/c.jpg")
    assert (first.labels, second.labels) == (("green", "red"), ())
    np.testing.assert_allclose(second.probabilities, 1 / (1 + np.exp([3, 3, 3])), 1e-5)
    assert first.error is None


def test_takes_a_run_folder(tmp_path):
    run = write_run(tmp_path / "run")
    image = write_image(tmp_path / "a.png", (255, 255, 0))
    (row,) = predict_paths(run, [image])
    assert row.labels == ("red", "green")
    np.testing.assert_allclose(row.probabilities, YELLOW, 1e-5)


def test_gives_broken_images_as_rows_and_all_others_unharmed(tmp_path):
    broken = write_broken(tmp_path / "images")
    for index in range(7):
        write_image(tmp_path / f"images/{index}.png", (255, 255, 0))
    rows = list(predict_paths(scorer(), [tmp_path / "images"], batch_size=3))
    assert [row.path for row in rows] == sorted((tmp_path / "images").iterdir())
    for row in rows:
        if row.path in broken:
            assert broken[row.path] in row.error
            assert str(row.path) in row.error
            assert row.probabilities is None and row.labels == ()
        else:
            assert row.error is None
            np.testing.assert_allclose(row.probabilities, YELLOW, 1e-5)
    assert sum(row.error is not None for row in rows) == 4


def test_stops_at_a_broken_image_when_told_so(tmp_path):
    write_broken(tmp_path)
    rows = predict_paths(scorer(), [tmp_path], on_error="raise")
    with pytest.raises(ValueError, match=r"empty\.png must hold an image"):
        list(rows)


def test_an_image_that_vanished_is_a_broken_one(tmp_path):
    image = write_image(tmp_path / "a.png", "red")
    rows = predict_paths(scorer(), [image])
    image.unlink()
    assert "no such file" in next(rows).error


@pytest.mark.parametrize(
    ("options", "labels"),
    [
        ({"threshold": 0.9}, ("red",)),
        ({"top_k": 2}, ("red", "green")),
        ({"top_k": 3, "threshold": 0.1}, ("red", "green")),
        ({"threshold": 0.0}, ("red", "green", "blue")),
    ],
)
def test_lets_threshold_and_top_k_choose(tmp_path, options, labels):
    image = write_image(tmp_path / "a.png", (255, 200, 0))
    (row,) = predict_paths(scorer(), [image], **options)
    assert row.labels == labels


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 2}, "threshold=2"),
        ({"top_k": 0}, "top_k=0"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"on_error": "ignore"}, "on_error='ignore'"),
    ],
)
def test_says_before_any_work_which_argument_does_not_fit(tmp_path, options, message):
    image = write_image(tmp_path / "a.png", "red")
    with pytest.raises(ValueError, match=message):
        predict_paths(scorer(), [image], **options)


def test_shows_progress_and_gives_the_same_rows(tmp_path, capsys):
    write_image(tmp_path / "a.png", "red")
    rows = predict_paths(scorer(), [tmp_path], show_progress=True)
    assert [row.labels for row in rows] == [("red",)]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("options", "labels"),
    [
        ({}, ("warm", "blue")),
        ({"threshold": 0.9}, ("warm",)),
        ({"top_k": 1}, ("warm",)),
        ({"threshold": 0.999}, ()),
    ],
)
def test_gives_the_likeliest_label_of_each_exclusive_group(tmp_path, options, labels):
    image = write_image(tmp_path / "a.png", (255, 0, 100))
    exclusive = Labels(
        ("warm", "cold", "blue", "grey"),
        {"tone": ("warm", "cold"), "tint": ("blue", "grey")},
        image_size=8,
        exclusive=True,
    )
    inputs = keras.Input((8, 8, 3))
    red, green, blue = keras.ops.split(
        keras.layers.GlobalAveragePooling2D()(inputs) / 40, 3, axis=1
    )
    model = keras.Model(
        inputs, keras.ops.concatenate([red, green, blue, blue * 0.8], 1)
    )
    (row,) = predict_paths(Scorer.of_model(model, exclusive), [image], **options)
    assert row.labels == labels
    np.testing.assert_allclose(row.probabilities[:2].sum(), 1, rtol=1e-6)
    np.testing.assert_allclose(row.probabilities[2:].sum(), 1, rtol=1e-6)


def test_limits_the_images_before_they_are_decoded(tmp_path):
    write_image(tmp_path / "small.png", "black", size=(8, 8))
    write_image(tmp_path / "wide.png", "black", size=(99, 8))
    small, wide = predict_paths(scorer(), [tmp_path], max_pixels=100)
    assert small.error is None
    assert "max_pixels=100 pixels; it has 792 (99 x 8)" in wide.error

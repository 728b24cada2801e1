import subprocess

import numpy as np
import pytest
import tensorflow as tf

from kmlic.datasets.street_fashion import builder as street_fashion
from kmlic.datasets.street_fashion.builder import (
    COLOURS,
    GARMENTS,
    PATTERNS,
    StreetFashion,
    StreetFashionConfig,
    load_street_fashion_builder,
)
from kmlic.datasets.street_fashion.drawing import draw_picture
from kmlic.datasets.street_fashion.outfits import dress_figure
from tests.datasets.street_fashion.test_drawing import garments


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tfds")


@pytest.fixture(scope="module")
def builder(folder):
    return load_street_fashion_builder(folder, "tiny")


@pytest.fixture(scope="module")
def examples(builder):
    return {
        split: list(builder.as_dataset(split=split).as_numpy_iterator())
        for split in ("train", "validation", "test")
    }


def test_tiny_has_three_splits_in_order(examples):
    assert {split: len(rows) for split, rows in examples.items()} == {
        "train": 96,
        "validation": 32,
        "test": 32,
    }
    for split, first in (("train", 0), ("validation", 10**6), ("test", 4 * 10**6)):
        indices = [row["index"] for row in examples[split]]
        assert indices == list(range(first, first + len(indices)))


def test_labels_are_those_of_the_outfit(examples):
    for row in examples["train"]:
        outfit = dress_figure(int(row["seed"]), int(row["index"]))
        for key, names in (
            ("patterns", PATTERNS),
            ("garments", GARMENTS),
            ("colours", COLOURS),
        ):
            worn = {"patterns": outfit.patterns, "garments": outfit.kinds}
            present = worn.get(key, outfit.colours)
            assert tuple(np.array(names)[row[key] == 1]) == present
        assert row["caption"].decode() == outfit.caption


def test_boxes_name_their_garments_and_lie_inside(examples, builder):
    name = builder.info.features["boxes"]["garment"].int2str
    for row in examples["test"]:
        outfit = dress_figure(0, int(row["index"]))
        kinds = [name(int(label)) for label in row["boxes"]["garment"]]
        assert kinds == [garment.kind for garment in outfit.garments]
        top, left, bottom, right = row["boxes"]["box"].T
        assert (top < bottom).all()
        assert (left < right).all()
        assert row["boxes"]["box"].min() >= 0
        assert row["boxes"]["box"].max() <= 1


def test_attributes_are_one_name_of_each_group(examples, builder):
    for row in examples["validation"]:
        outfit = dress_figure(0, int(row["index"]))
        features = builder.info.features["attributes"]
        shown = {
            group: features[group].int2str(int(label))
            for group, label in row["attributes"].items()
        }
        assert shown == dict(outfit.attributes)


def test_workers_draw_the_pixels_of_this_process(examples):
    for row in examples["train"][:40:8]:
        index = int(row["index"])
        jpeg, _ = draw_picture(garments(index), 0, index)
        np.testing.assert_array_equal(tf.io.decode_jpeg(jpeg).numpy(), row["image"])


def test_a_second_load_draws_nothing(builder, folder, monkeypatch):
    def refuse():
        raise AssertionError("started to draw")

    monkeypatch.setattr(street_fashion, "_Painters", refuse)
    again = load_street_fashion_builder(folder, "tiny")
    assert again.is_prepared()
    assert again.data_dir == builder.data_dir


def test_an_interrupted_preparation_leaves_no_dataset(tmp_path, monkeypatch):
    draw = street_fashion._Painters.draw

    def interrupted(painters, indices, seed):
        for number, drawn in enumerate(draw(painters, indices, seed)):
            if number == 3:
                raise KeyboardInterrupt
            yield drawn

    config = StreetFashionConfig(name="few", train=9, validation=2, test=2)
    monkeypatch.setattr(street_fashion._Painters, "draw", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_street_fashion_builder(tmp_path, config)
    assert not StreetFashion(data_dir=tmp_path, config=config).is_prepared()
    assert not list(tmp_path.rglob("*.tfrecord*"))
    monkeypatch.undo()
    builder = load_street_fashion_builder(tmp_path, config)
    assert builder.info.splits["train"].num_examples == 9


def test_says_once_where_the_drawings_are(tmp_path, capsys):
    config = StreetFashionConfig(name="few", train=3, validation=2, test=2)
    builder = load_street_fashion_builder(tmp_path, config)
    load_street_fashion_builder(tmp_path, config)
    output, errors = capsys.readouterr()
    assert not output and errors == (
        "street_fashion: drawing 7 images, once for all; they are kept in "
        f"{builder.data_dir}\n"
    )


def test_workers_do_without_tensorflow():
    command = street_fashion._WORKER_COMMAND.copy()
    command[3] += "print(sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run(command, input=b"", capture_output=True, check=True)
    assert b"street_fashion.drawing" in done.stderr
    assert b"'tensorflow'" not in done.stderr
    assert b"'keras'" not in done.stderr


def test_a_worker_that_dies_is_reported():
    painter = street_fashion._Painter()
    painter._process.kill()
    painter._process.wait()
    with pytest.raises(RuntimeError, match="image 7 of seed 0 ended early"):
        painter.draw({7: dress_figure(0, 7)}, 0)
    painter.end()


def test_says_which_variants_there_are():
    with pytest.raises(ValueError, match="'default', 'tiny'; got config='huge'"):
        load_street_fashion_builder(config="huge")


@pytest.mark.slow
def test_the_mean_colour_does_not_tell_the_pattern():
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import average_precision_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    builder = load_street_fashion_builder()
    means, targets = {}, {}
    for split in ("train", "test"):
        rows = list(builder.as_dataset(split=split).as_numpy_iterator())
        means[split] = np.array([row["image"].mean((0, 1)) for row in rows])
        targets[split] = np.array([row["patterns"] for row in rows])
    precisions = []
    for label in range(len(PATTERNS)):
        model = make_pipeline(StandardScaler(), LogisticRegression())
        model.fit(means["train"], targets["train"][:, label])
        scores = model.predict_proba(means["test"])[:, 1]
        precisions.append(average_precision_score(targets["test"][:, label], scores))
    assert np.mean(precisions) < 0.35

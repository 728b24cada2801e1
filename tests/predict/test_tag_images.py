import json

import numpy as np
import pytest
import tensorflow as tf
from pyarrow import parquet

from kmlic.export import export_saved_model
from kmlic.predict import load_run, predict_paths
from kmlic.predict.tag_images import tag_images
from tests.predict.toys import LABELS, write_broken, write_image, write_run

COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (250, 250, 250)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = write_run(tmp_path_factory.mktemp("run") / "run")
    export_saved_model(*load_run(run)[:1], run / "export", labels=LABELS)
    return run


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for number, colour in enumerate(COLOURS):
        write_image(folder / "deep" / f"{number}.png", colour, size=(12, 10))
    return folder, write_broken(folder / "broken")


def read_records(output):
    """Reads the records of all shards by path."""
    shards = sorted(output.parent.glob(f"{output.stem}-0*-of-*{output.suffix}"))
    if output.suffix == ".parquet":
        rows = [
            row for shard in shards for row in parquet.read_table(shard).to_pylist()
        ]
    else:
        rows = [json.loads(x) for each in shards for x in each.read_text().splitlines()]
    by_path = {row["path"]: row for row in rows}
    assert len(by_path) == len(rows)
    return by_path


def read_broken(output):
    shards = output.parent.glob(f"{output.stem}-broken-*.jsonl")
    rows = [json.loads(x) for each in shards for x in each.read_text().splitlines()]
    return {row["path"]: row["error"] for row in rows}


def assert_same(records, expected):
    assert set(records) == {str(row.path) for row in expected if row.error is None}
    for row in expected:
        if row.error is None:
            record = records[str(row.path)]
            assert tuple(record["labels"]) == row.labels
            found = [record["probabilities"][name] for name in LABELS.names]
            np.testing.assert_allclose(found, row.probabilities, atol=1e-5)


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_gives_what_predict_gives_and_broken_images_apart(
    run, photos, tmp_path, suffix
):
    folder, broken = photos
    output = tmp_path / f"tags{suffix}"
    inputs = [folder, *broken, folder / "deep"]  # each image counts once
    counts = tag_images(run, inputs, output, batch_size=3)
    assert counts == (len(COLOURS) + len(broken), len(broken))
    expected = list(predict_paths(run, [folder]))
    assert_same(read_records(output), expected)
    errors = {str(row.path): row.error for row in expected if row.error}
    assert read_broken(output) == errors
    with pytest.raises(ValueError, match=r"must be new; .*tags-"):
        tag_images(run, [folder], output)


def test_reads_tfrecords_and_says_which_are_none(run, photos, tmp_path):
    folder, _ = photos
    files = sorted((folder / "deep").iterdir())
    records = tmp_path / "photos.tfrecord"

    def feature(value):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    with tf.io.TFRecordWriter(str(records)) as writer:
        for file in files:
            features = {
                "image/encoded": feature(file.read_bytes()),
                "image/filename": feature(str(file).encode()),
            }
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())
        writer.write(b"\xff\xff\xff")
        writer.write(tf.train.Example().SerializeToString())
    output = tmp_path / "tags.jsonl"
    cut = tmp_path / "cut.tfrecord"
    cut.write_bytes(b"no records at all")
    inputs = [records, cut]
    counts = tag_images(run, inputs, output, threshold=0.2, top_k=2)
    assert counts == (len(COLOURS) + 3, 3)
    expected = list(predict_paths(run, files, threshold=0.2, top_k=2))
    assert_same(read_records(output), expected)
    shards = list(tmp_path.glob("tags-broken-*.jsonl"))
    lines = [json.loads(x) for each in shards for x in each.read_text().splitlines()]
    errors = "\n".join(sorted(line["error"] for line in lines))
    for rule in (
        "photos.tfrecord must hold tf.train.Example",
        "photos.tfrecord: a record must have image/encoded; got []",
        "cut.tfrecord must be a complete TFRecord file; after 0 records",
    ):
        assert rule in errors


def test_says_before_it_begins_what_does_not_fit(run, photos, tmp_path):
    folder, _ = photos
    for arguments, rule in (
        ({"output": tmp_path / "tags.csv"}, r"\.parquet or \.jsonl; got"),
        ({"inputs": [tmp_path / "gone.tfrecord"]}, r"gone\.tfrecord must exist"),
        ({"inputs": []}, "at least one image"),
        ({"run": tmp_path}, "kmlic export"),
        ({"batch_size": 0}, "at least 1; got 0"),
    ):
        given = {"run": run, "inputs": [folder], "output": tmp_path / "x.jsonl"}
        with pytest.raises(ValueError, match=rule):
            tag_images(**{**given, **arguments})


@pytest.mark.slow
def test_several_workers_give_the_same(run, photos, tmp_path):
    folder, broken = photos
    for number in range(200):
        write_image(tmp_path / "many" / f"{number}.jpg", (number, 9, 9), "JPEG")
    output = tmp_path / "tags.parquet"
    options = ["--direct_num_workers=2", "--direct_running_mode=multi_processing"]
    inputs = [folder, tmp_path / "many"]
    counts = tag_images(run, inputs, output, options=options)
    assert counts == (200 + len(COLOURS) + len(broken), len(broken))
    assert_same(read_records(output), list(predict_paths(run, inputs)))

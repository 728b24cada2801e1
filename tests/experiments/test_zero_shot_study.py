import pytest

from kmlic.experiments import Experiment, ZeroShotSettings, ZeroShotStudy
from tests.experiments.zero_shot_toys import write_words


@pytest.fixture
def settings(tmp_path):
    return ZeroShotSettings(
        dataset="street_fashion/tiny",
        data_dir=tmp_path / "tfds",
        word_vectors="captions",
        image_size=32,
        batch_size=8,
        folder=tmp_path / "run",
    )


def test_labels_that_are_held_out_are_not_trained(settings):
    study = ZeroShotStudy(Experiment("toy", settings), ("dot", "pink"))
    names = study.load(settings, 0).labels.names
    assert not {"dot", "pink"} & set(names)
    assert {"dot", "pink"} <= set(study.unseen[0].labels.names)
    seen = study.candidates[0]
    new = {n for n, c in zip(seen.names, seen.columns, strict=True) if not seen.seen[c]}
    assert new == {"dot", "pink"}


def test_a_label_that_the_dataset_lacks_cannot_be_held_out(settings, tmp_path):
    write_words(tmp_path)
    with pytest.raises(ValueError, match=r"must be labels of .*got \['cow'\]"):
        ZeroShotStudy(Experiment("toy", settings), ("cow",))

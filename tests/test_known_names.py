import typing

from kmlic import known_names
from kmlic.backbones.applications import APPLICATIONS
from kmlic.backbones.build_backbone import NETWORKS
from kmlic.backbones.imagenet import CHECKPOINTS
from kmlic.data.read_listing import OWN_IMAGES
from kmlic.datasets.load_dataset import LOADERS
from kmlic.known_names import LossName, PositiveWeights
from kmlic.losses.make_loss import LOSSES, POSITIVE_WEIGHT_BETAS
from kmlic.packaged_weights import PACKAGES


def test_names_every_loss_and_weight_that_can_be_made():
    assert set(typing.get_args(LossName)) == set(LOSSES)
    assert set(typing.get_args(PositiveWeights)) == {"none", *POSITIVE_WEIGHT_BETAS}


def test_names_every_dataset_that_can_be_loaded():
    assert {*known_names.DATASETS, OWN_IMAGES} == {*LOADERS}


def test_names_every_backbone_and_where_its_weights_are():
    assert set(known_names.PACKAGED_BACKBONES) == set(PACKAGES)
    assert set(known_names.HUGGING_FACE_BACKBONES) == set(CHECKPOINTS)
    assert set(known_names.KERAS_BACKBONES) == set(APPLICATIONS)
    assert set(known_names.BACKBONES) == {*NETWORKS, *APPLICATIONS}
    assert len(set(known_names.BACKBONES)) == len(known_names.BACKBONES)

"""Training: the loop, checkpoints, optimizers, schedules and strategies."""

from kmlic.training.accumulate_gradients import accumulate_gradients
from kmlic.training.augment_on_device import augment_on_device
from kmlic.training.averaged_weights import AveragedWeights, recompute_batch_norm
from kmlic.training.cached_features import CachedFeatures
from kmlic.training.callbacks import TrainingProgress, ValidationScores
from kmlic.training.fit import fit
from kmlic.training.initialise_bias import initialise_bias
from kmlic.training.initialise_label_maps import initialise_label_maps
from kmlic.training.multi_worker import all_reduce_max, is_chief, start_workers
from kmlic.training.one_cycle import OneCycle
from kmlic.training.optimizers import (
    CoupledSGD,
    LayerwiseAdamW,
    learning_rate_multiplier,
    part_multipliers,
)
from kmlic.training.plateau_decay import PlateauDecay
from kmlic.training.scoring import predict_scores
from kmlic.training.strategies import make_strategy
from kmlic.training.training_state import TrainingState
from kmlic.training.transfer import transfer_weights

__all__ = [
    "AveragedWeights",
    "CachedFeatures",
    "CoupledSGD",
    "LayerwiseAdamW",
    "OneCycle",
    "PlateauDecay",
    "TrainingProgress",
    "TrainingState",
    "ValidationScores",
    "accumulate_gradients",
    "all_reduce_max",
    "augment_on_device",
    "fit",
    "initialise_bias",
    "initialise_label_maps",
    "is_chief",
    "learning_rate_multiplier",
    "make_strategy",
    "part_multipliers",
    "predict_scores",
    "recompute_batch_norm",
    "start_workers",
    "transfer_weights",
]

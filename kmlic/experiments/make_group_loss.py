"""Loss of exclusive groups that settings name."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kmlic.data import MultiLabelData
from kmlic.experiments.group_loss_settings import GroupLossSettings
from kmlic.losses import GroupFocalLoss, class_balanced_weights
from kmlic.losses.make_loss import POSITIVE_WEIGHT_BETAS


def make_group_loss(
    settings: GroupLossSettings,
    data: MultiLabelData,
    member: keras.Model,
    group_weights: Sequence[float],
) -> GroupFocalLoss:
    """Makes the loss of exclusive groups that settings name.

    Args:
        settings: of the training.
        data: whose groups and training targets are used.
        member: the model; its layer "uncertainty" has the weights of "learned".
        group_weights: one per group, used by "weighted_focal".

    Raises:
        ValueError: if there are not as many weights as groups.
    """
    sizes = [len(members) for members in (data.labels.groups or {}).values()]
    counts = np.maximum((data.train_targets == 1).sum(axis=0), 1)
    gamma = 0.0 if settings.loss == "cross_entropy" else settings.gamma
    options: dict[str, Any] = {"gamma": gamma}
    if settings.loss == "weighted_focal":
        options["group_weights"] = group_weights
    elif settings.loss == "learned":
        options["log_variances"] = member.get_layer("uncertainty").log_variances
    if settings.positive_weights != "none":
        beta = POSITIVE_WEIGHT_BETAS[settings.positive_weights]
        options["label_weights"] = class_balanced_weights(counts, sizes, beta=beta)
    if settings.prior_strength:
        totals = np.repeat(np.add.reduceat(counts, np.cumsum([0, *sizes[:-1]])), sizes)
        options["log_priors"] = settings.prior_strength * np.log(counts / totals)
    return GroupFocalLoss(sizes, label_smoothing=settings.label_smoothing, **options)

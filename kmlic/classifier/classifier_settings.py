"""Options of `train_classifier`."""

import dataclasses
import typing
from pathlib import Path
from typing import Literal

import tensorflow as tf

from kmlic.backbones.build_backbone import APPLICATIONS, NETWORKS
from kmlic.check_choice import check_choice
from kmlic.check_limits import MAX_BYTES, MAX_PIXELS
from kmlic.check_number import check_number
from kmlic.data.limits import Limits
from kmlic.data.splits import check_fractions
from kmlic.evaluation.bootstrap import Metric
from kmlic.experiments.training_settings import LogName
from kmlic.loss_names import LossName, PositiveWeights
from kmlic.require_preset import PREFIXES

# Logistic regression always is one; its name alone leaves all others out.
ModelName = Literal[
    "auto", "logistic_regression", "peaks", "discriminant", "fine_tuned"
]
Precision = Literal["auto", "float32", "bfloat16"]

_BACKBONE = "efficientnet_lite0"
_FIRST_WITH_BFLOAT16 = (8, 0)  # compute capability of GPUs


@dataclasses.dataclass(frozen=True)
class ClassifierSettings:
    """Holds the options of `train_classifier`; every one has a default.

    Args:
        folder: the run's folder.
        minutes: of the training; the start and the export come on top. Above 0.
        backbone: name of a backbone; "auto" is efficientnet_lite0, whose weights come
            with the package.
        weights: of the backbone: "imagenet", or the path of a file.
        image_size: side in pixels, 32 to 1024; None for the largest that the minutes
            allow.
        models: which models are compared with logistic regression: "auto" for all for
            which images and minutes suffice, or names of `ModelName`.
        loss: of fine-tuning, see `kmlic.losses.make_loss`; "auto" for cross-entropy,
            within each group where there are exclusive groups.
        positive_weights: of fine-tuning, see `kmlic.losses.make_loss`.
        metric: by which models are compared; None for the accuracy of exclusive groups
            where there are any, else mAP.
        fractions: of training, validation and test images, where the data names no
            splits; None for 0.7, 0.1 and 0.2, and no test images of fewer than 50.
        on_error: "raise" names the images that cannot be read, "skip" leaves them out
            and counts them.
        max_bytes: largest size of an image file.
        max_pixels: largest width times height of an image.
        precision: of features and fine-tuning; "auto" is bfloat16 on a GPU that has it,
            else float32. The exported model computes in float32.
        seed: of splits, folds and trainings.
        log: where the values of each epoch of fine-tuning and the metrics of all stages
            are sent too, see `kmlic.training.open_log`.

    Raises:
        ValueError: if a name is unknown or a number is out of its limits.

    Example:
        >>> ClassifierSettings(models=("peaks",)).tries("fine_tuned")
        False
    """

    folder: Path = Path("saved_models/classifier")
    minutes: float = 15.0
    backbone: str = "auto"
    weights: str | Path | None = "imagenet"
    image_size: int | None = None
    models: tuple[ModelName, ...] = ("auto",)
    loss: LossName | Literal["auto"] = "auto"
    positive_weights: PositiveWeights = "none"
    metric: Metric | None = None
    fractions: tuple[float, float, float] | None = None
    on_error: Literal["raise", "skip"] = "raise"
    max_bytes: int = MAX_BYTES
    max_pixels: int = MAX_PIXELS
    precision: Precision = "auto"
    seed: int = 0
    log: LogName = "none"

    def __post_init__(self) -> None:
        check_number("minutes", self.minutes, above=0)
        if self.image_size is not None:
            check_number("image_size", self.image_size, at_least=32, at_most=1024)
        if not self.backbone.startswith(PREFIXES):
            check_choice("backbone", self.backbone, "auto", *NETWORKS, *APPLICATIONS)
        check_choice("log", self.log, *typing.get_args(LogName))
        if self.fractions is not None:
            check_number("fractions[0]", self.fractions[0], above=0)
            check_fractions(self.fractions)
        check_choice("on_error", self.on_error, "raise", "skip")
        check_choice("precision", self.precision, *typing.get_args(Precision))
        check_choice("loss", self.loss, "auto", *typing.get_args(LossName))
        for name in self.models or ("",):
            check_choice("models", name, *typing.get_args(ModelName))

    @property
    def limits(self) -> Limits:
        """Returns the limits of the image files."""
        return {"max_bytes": self.max_bytes, "max_pixels": self.max_pixels}

    @property
    def network(self) -> str:
        """Returns the name of the backbone."""
        return _BACKBONE if self.backbone == "auto" else self.backbone

    @property
    def dtype_policy(self) -> str:
        """Returns the name of Keras' dtype policy of features and fine-tuning."""
        if self.precision == "auto":
            return "mixed_bfloat16" if _has_bfloat16() else "float32"
        return "mixed_bfloat16" if self.precision == "bfloat16" else "float32"

    def tries(self, model: ModelName) -> bool:
        """Tells whether a model is compared with logistic regression."""
        return "auto" in self.models or model in self.models


def _has_bfloat16() -> bool:
    gpus = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    found = [each.get("compute_capability", (0, 0)) for each in details]
    return bool(found) and min(found) >= _FIRST_WITH_BFLOAT16

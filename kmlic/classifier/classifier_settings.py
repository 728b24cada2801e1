"""Options of `train_classifier`."""

import dataclasses
import typing
from pathlib import Path
from typing import Literal

from kmlic.check_choice import check_choice
from kmlic.check_limits import (
    MAX_BYTES,
    MAX_PIXELS,
    Minutes,
    check_fractions,
    check_limits,
)
from kmlic.check_number import check_number
from kmlic.data.limits import Limits
from kmlic.known_names import (
    BACKBONES,
    HUGGING_FACE_BACKBONES,
    SMALL_BACKBONES,
    LogName,
    LossName,
    Metric,
    ModelName,
    PositiveWeights,
    Precision,
)
from kmlic.packaged_weights import PACKAGES, find_packaged_weights
from kmlic.require_extra import require_extra
from kmlic.require_preset import PREFIXES, require_preset

SMALLEST_SIDE = 32  # of images, in pixels
_BACKBONE = "efficientnet_lite0"
_FIRST_WITH_BFLOAT16 = (8, 0)  # compute capability of GPUs


@dataclasses.dataclass(frozen=True)
class ClassifierSettings:
    """Holds the options of `train_classifier`; every one has a default.

    Args:
        folder: the run's folder.
        minutes: from the first image to the report, above 0 and at most 100,000.
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
    minutes: Minutes = 15.0
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
        check_limits(typing.get_type_hints(type(self), include_extras=True), vars(self))
        if self.image_size is not None:
            check_number(
                "image_size", self.image_size, at_least=SMALLEST_SIDE, at_most=1024
            )
        self._check_backbone()
        check_choice("metric", self.metric, None, *typing.get_args(Metric))
        check_choice("log", self.log, *typing.get_args(LogName))
        if self.fractions is not None:
            check_number("fractions[0]", self.fractions[0], above=0)
            check_fractions(self.fractions)
        check_choice("on_error", self.on_error, "raise", "skip")
        check_choice("precision", self.precision, *typing.get_args(Precision))
        check_choice("loss", self.loss, "auto", *typing.get_args(LossName))
        check_choice(
            "positive_weights", self.positive_weights, *typing.get_args(PositiveWeights)
        )
        for name in self.models or ("",):
            check_choice("models", name, *typing.get_args(ModelName))

    def _check_backbone(self) -> None:
        if self.backbone.startswith(PREFIXES):
            require_preset(self.backbone, argument="backbone")
            if self.weights not in (None, "imagenet"):
                raise ValueError(
                    "`weights` must be left out for a preset of keras-hub, which has "
                    f"weights of its own; got weights={self.weights}."
                )
            return
        check_choice("backbone", self.backbone, "auto", *BACKBONES)
        if self.weights == "imagenet" and self.backbone in SMALL_BACKBONES:
            raise ValueError(
                f"`weights` must be a file or None for {self.backbone}, which has no "
                '"imagenet" weights; got weights=imagenet. Choose another --backbone, '
                "or random weights by --weights None."
            )

    def require_files(self) -> None:
        """Refuses weights and packages that are not there.

        Raises:
            ValueError: if there is no file of weights, or it is corrupt.
            ImportError: naming what is not installed.
        """
        network = self.network
        if self.log != "none":
            require_extra(self.log, self.log, f"log={self.log}")
        if network.startswith(PREFIXES):
            require_extra("hub", "keras_hub", f"The preset {network}")
        elif self.weights == "imagenet" and network in HUGGING_FACE_BACKBONES:
            require_extra("hub", "huggingface_hub", f"The weights of {network}")
        elif self.weights == "imagenet" and network in PACKAGES:
            find_packaged_weights(network)
        elif (
            self.weights not in (None, "imagenet") and not Path(self.weights).is_file()
        ):
            raise ValueError(
                '`weights` must be "imagenet", a file, or None for random ones; there '
                f"is none at {self.weights}."
                + " Write --weights None."
                * (str(self.weights).lower() == "none")
            )

    def check_groups(self) -> None:
        """Refuses what does not fit groups of which an image has exactly one label.

        Raises:
            ValueError: naming the loss.
        """
        if self.loss not in ("auto", "crossentropy"):
            raise ValueError(
                "`loss` must be auto or crossentropy for exclusive groups, of whose "
                f"labels an image has exactly one; got {self.loss}."
            )

    def check_test(self) -> None:
        """Refuses fractions where test images are given on their own.

        Raises:
            ValueError: naming the fractions.
        """
        if self.fractions is not None:
            raise ValueError(
                "`fractions` must be None where `test` is given; got fractions="
                f"{self.fractions}. Leave out --fractions."
            )

    def check_dataset(self, test: object, groups: object) -> None:
        """Refuses options that a dataset with its own splits and groups cannot have.

        Args:
            test: images for the test alone, or None.
            groups: group name to labels, or None.

        Raises:
            ValueError: naming the option.
        """
        given = {"test": test, "groups": groups, "fractions": self.fractions}
        for name, value in given.items():
            if value is not None:
                # Groups and tables of test images can be longer than a message.
                brief = isinstance(value, str | Path | tuple)
                got = f"{name}={value}" if brief else f"a {type(value).__name__}"
                raise ValueError(
                    f"`{name}` must be None for a dataset that has its own splits and "
                    f"groups; got {got}. Leave out --{name}."
                )

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
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    found = [each.get("compute_capability", (0, 0)) for each in details]
    return bool(found) and min(found) >= _FIRST_WITH_BFLOAT16

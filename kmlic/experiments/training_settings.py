"""Settings that every training has."""

import dataclasses
import typing
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import tyro

from kmlic.check_limits import (
    FRACTIONS,
    MAX_BYTES,
    MAX_PIXELS,
    BatchSize,
    Count,
    CountOrZero,
    Fraction,
    ImageBytes,
    ImagePixels,
    ImageSize,
    Limits,
    NonNegative,
    Positive,
    Seed,
    check_fractions,
    check_limits,
)
from kmlic.data.reading_options import DEFAULT_READING, ReadingOptions
from kmlic.known_names import LogName, LossName, PositiveWeights
from kmlic.require_extra import require_extra
from kmlic.require_paths import require_paths
from kmlic.run_folder import seen_from

B = TypeVar("B", bound="TrainingSettings")


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """Holds the data, model and optimization of a training; one flag per field.

    A recipe subclasses it to add the fields of its paper and to change defaults. Limits
    of numbers stand in the types of the fields.

    Raises:
        ValueError: if a number is out of its limits, there is no seed or one twice, the
            fractions do not sum to 1, or a seed is no fold of `num_folds`.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Settings(TrainingSettings):
        ...     epochs: Count = 3
        >>> Settings(ema=0.99).epochs
        3
    """

    dataset: str = "street_fashion"
    """Name of a dataset of kmlic.datasets; not used with `data`."""
    data_dir: Path | None = None
    """Folder of the dataset; TFDS's own folder when left out."""
    data: str | None = None
    """Own images: a path that kmlic data check reads."""
    reading: tyro.conf.OmitArgPrefixes[ReadingOptions] = DEFAULT_READING
    """How own images are read, as in kmlic data check."""
    fractions: tuple[Fraction, Fraction, Fraction] = FRACTIONS
    """Shares of training, validation and test images, for own images."""
    num_folds: Annotated[int, Limits(at_least=2, at_most=127)] | None = None
    """Cross-validates own images: the test images of a seed are the fold of its number,
    from 0; `fractions` divides the others into training and validation."""
    on_error: Literal["raise", "skip"] = "raise"
    """Whether a broken image or row of own images stops the run or is skipped."""
    max_bytes: ImageBytes = MAX_BYTES
    """Largest size of a file of own images."""
    max_pixels: ImagePixels = MAX_PIXELS
    """Largest width times height of own images."""

    backbone: str = "small_resnet"
    weights: str | None = None
    """Of the backbone: imagenet, or a file; random when left out."""
    batch_norm: Literal["auto", "train", "freeze"] = "auto"
    """freeze: keeps the backbone's batch statistics, for small datasets; auto: freeze
    for own images with `weights`, else train."""
    head_epochs: CountOrZero | None = None
    """Epochs that train only what follows the backbone, before those that train all;
    when left out a fifth of them for own images with `weights`, else none."""
    image_size: ImageSize = 96
    """Side in pixels."""
    first_bias: Literal["frequency", "zero"] = "frequency"
    """frequency: initialises the output bias from label frequencies."""
    augmentation: Literal["none", "flip", "flip+mixup", "multi_scale_crop"] = "flip"
    """flip+mixup mixes images, or cached features, and their targets."""
    augment_on: Literal["pipeline", "device"] = "pipeline"
    """pipeline: augments the original images in tf.data; device: augments the resized
    images in the training step."""

    loss: LossName = "crossentropy"
    """asymmetric, focal: less weight for easy labels; two_way: ranks labels and images;
    hill, self_paced: for labels that nobody marked; ldam: margins for rare labels."""
    positive_weights: PositiveWeights = "none"
    """Weight of a present label: frequency, images without over images with it, or
    effective, the same of numbers that saturate; not for two_way."""
    batch_size: BatchSize = 32
    epochs: Count = 10
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: Positive = 2e-3
    backbone_multiplier: NonNegative = 1.0
    """Factor of the backbone's learning rate."""
    weight_decay: NonNegative = 0.01
    """Decoupled for adamw (0 is Adam), L2 penalty for sgd."""
    clip_norm: Positive | None = 10.0
    """Largest norm of all gradients together; None for no limit."""
    schedule: Literal[
        "cosine", "one_cycle", "step", "exponential", "plateau", "constant"
    ] = "cosine"
    """cosine: to zero after one epoch of warm-up; one_cycle: rises for three tenths of
    the steps, then falls; step: times 0.1 after each third; exponential: times 0.9
    after each epoch; plateau: times 0.1 when the loss has not fallen for 4 epochs."""

    seeds: tuple[Seed, ...] = (0,)
    folder: Path = Path("saved_models/run")
    """Folder of the run; an interrupted run continues with the same command, a finished
    one is replaced by a run with the same settings only."""
    rows: tuple[str, ...] = ()
    """Rows of the recipe's table to train; the default ones when left out."""
    ablations: bool = False
    """Trains all rows of the table."""
    linear_probe: bool | None = None
    """Adds logistic regression on the backbone's features to the table; when left out
    for own images with `weights`."""
    log: LogName = "none"
    """Where the values of each epoch are sent too: tensorboard writes them below
    `folder`, mlflow and wandb where their own environment variables say."""
    export_maps: bool = False
    """Adds a map for every label to the exports, as a second output."""

    strategy: Literal["mirrored", "single", "multi_worker"] = "mirrored"
    """mirrored: all GPUs of this machine; single: the first one; multi_worker: all
    machines that TF_CONFIG lists."""
    ema: Annotated[float, Limits(above=0, below=1)] | None = None
    """Momentum of the weights' moving average, which is scored and saved, e.g. 0.999.
    """
    accumulate: Count = 1
    """Parts that a batch is computed in, to save memory."""
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    """Precision of training; saved models compute in float32."""
    deterministic: bool = False
    """Makes trainings repeatable bit by bit; slower on GPUs."""
    save_minutes: NonNegative = 5.0
    """Minutes between two saved training states within an epoch."""

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self), include_extras=True)
        check_limits(hints, vars(self))
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(
                f"`seeds` must be at least one number, each once; got seeds="
                f"{self.seeds}."
            )
        if self.num_folds and (self.data is None or max(self.seeds) >= self.num_folds):
            raise ValueError(
                "`num_folds` needs `data`, and `seeds` that are numbers of folds, from "
                f"0; got num_folds={self.num_folds}, data={self.data!r} and seeds="
                f"{self.seeds}."
            )
        check_fractions(self.fractions)

    def describe(self) -> dict[str, Any]:
        """Returns the settings for run.json, with images as seen from the folder."""
        return {
            **dataclasses.asdict(self),
            "data": seen_from(self.folder, self.data),
            "data_dir": seen_from(self.folder, self.data_dir),
            "reading": self.reading.describe(self.folder),
        }

    @property
    def source(self) -> str:
        """Returns the path of own images, or else the name of the dataset."""
        return self.dataset if self.data is None else self.data

    @property
    def transfers(self) -> bool:
        """Returns whether trained weights meet own images, mostly few of them."""
        return self.data is not None and self.weights is not None

    @property
    def freezes_batch_norm(self) -> bool:
        """Returns whether the backbone keeps its batch statistics."""
        if self.batch_norm == "auto":
            return self.transfers
        return self.batch_norm == "freeze"

    @property
    def num_head_epochs(self) -> int:
        """Returns the epochs that keep the backbone, which come before `epochs`."""
        if self.head_epochs is None:
            return max(1, self.epochs // 5) if self.transfers else 0
        return self.head_epochs

    @property
    def has_linear_probe(self) -> bool:
        """Returns whether logistic regression is a row of the table."""
        return self.transfers if self.linear_probe is None else self.linear_probe

    def narrow(self, settings: type[B], **changes: Any) -> B:
        """Returns these settings as a base class, with changes.

        Fields of the table and the exports get their defaults.

        Args:
            settings: the base class.
            **changes: field to value.
        """
        table = ("rows", "ablations", "linear_probe", "export_maps")
        names = [field.name for field in dataclasses.fields(settings)]
        kept = {name: getattr(self, name) for name in names if name not in table}
        return settings(**{**kept, **changes})

    def require_files(self) -> None:
        """Refuses own images whose files do not exist, and a log that is not installed.

        Raises:
            ValueError: naming the path.
            ImportError: naming the extra.
        """
        require_paths(self.data, *self.reading.paths)
        if self.log != "none":
            require_extra(self.log, self.log, f"log={self.log}")

    def begin(self) -> None:
        """Configures TensorFlow; call it before any other operation."""
        import tensorflow as tf

        from kmlic.training import make_strategy

        if self.deterministic:
            tf.config.experimental.enable_op_determinism()
        if self.strategy == "multi_worker":
            make_strategy(self.strategy)

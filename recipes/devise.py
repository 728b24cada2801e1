"""DeViSE: images are embedded among word vectors, to predict labels not trained.

Paper:   Nishimura, Yu, Hellmers and Desai, "A Combined Deep Learning and Semantic
         Embedding Model for Image Classification"; Frome et al., "DeViSE: A Deep
         Visual-Semantic Embedding Model", NeurIPS 2013,
         https://papers.nips.cc/paper/5204
Command: python -m recipes.devise
Paper's: python -m recipes.devise --paper --data_dir tiny-imagenet-200
Trial:   python -m recipes.devise --trial
Cost:    20,000 images of Tiny-ImageNet from scratch, three seeds and two losses: 23
         minutes and 4 GB on two busy cores
Result:  saved_models/devise_tiny/run.json: hit@5 0.391, softmax model 0.416;
         saved_models/devise_imagenet/run.json: 0.768 beside 0.800 on frozen features
"""

import dataclasses
import functools
import sys
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kmlic import evaluation, experiments
from kmlic.check_limits import Count, Dropout, ImageSize, NonNegative, Positive
from kmlic.run_folder import Run

if TYPE_CHECKING:  # functions import what needs Keras, so that --help is immediate
    from keras import Loss, Metric, Model

    from kmlic.data import MultiLabelData

# From each group of labels of street_fashion.
HELD_OUT = ("check", "dot", "blouse", "coat", "shorts", "grey", "pink")

RankLoss = Literal["cosine", "cosine_margin", "hinge_rank", "softmax_rank"]


@dataclasses.dataclass(frozen=True)
class Settings(experiments.ZeroShotSettings):
    """Holds the settings of DeViSE; the defaults fit two CPU cores."""

    head: Literal["softmax", "devise"] = "devise"
    """softmax: the classifier that the embedding starts from; each row sets it."""
    backbone: str = "small_cnn"
    first_bias: Literal["frequency", "zero"] = "zero"
    """frequency: initialises the softmax model's bias from label frequencies."""
    image_size: ImageSize = 64
    hidden_units: tuple[Count, ...] = ()
    """Layers between the backbone and the embedding."""
    dropout: Dropout = 0.4
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "mixed_bfloat16"
    # Similarities to labels have losses of their own, which rank labels.
    loss: RankLoss = "cosine_margin"  # type: ignore[assignment]
    positive_weights: Literal["none"] = "none"
    margin: NonNegative = 0.1
    temperature: Positive = 0.1
    clip_norm: Positive | None = None
    epochs: Count = 8
    warm_start: bool = True
    """Starts the embedding model from the softmax model."""
    folder: Path = Path("saved_models/devise")


PRESETS = {
    "": Settings(),
    "paper": Settings(
        dataset="tiny_imagenet",
        zero_shot="cifar100",
        word_vectors="glove-wiki-gigaword-50",
        centre=False,
        augmentation="multi_scale_crop",
        precision="float32",
        batch_size=64,
        epochs=30,
        embedding_epochs=30,
        learning_rate=1e-3,
        weight_decay=0.0,
        schedule="exponential",
    ),
    "trial": Settings(
        dataset="street_fashion/tiny", image_size=32, epochs=1, embedding_epochs=1
    ),
}

SOFTMAX_ABLATIONS: dict[str, dict[str, Any]] = {
    "softmax dropout=0 augmentation=none": {"dropout": 0.0, "augmentation": "none"},
    "softmax dropout=0.5 augmentation=none": {"dropout": 0.5, "augmentation": "none"},
}  # the paper's Figs. 2 to 4
ABLATIONS: dict[str, dict[str, Any]] = {
    **{f"loss={name}": {"loss": name} for name in typing.get_args(RankLoss)},
    **{
        f"margin={x:g}": {"loss": "cosine_margin", "margin": x} for x in (0.0, 0.1, 1.0)
    },
    "dropout=0": {"dropout": 0.0},
    "dropout=0.5": {"dropout": 0.5},
    "augmentation=none": {"augmentation": "none"},
    "warm_start=False": {"warm_start": False},
}  # the paper's section 2.3


def main(settings: Settings) -> Run:
    """Trains softmax and DeViSE models and judges them on labels seen and unseen."""
    epochs = {"epochs": settings.embedding_epochs}
    table = {
        "softmax": {"head": "softmax"},
        **{n: {"head": "softmax", **row} for n, row in SOFTMAX_ABLATIONS.items()},
        "devise": epochs,
        **{name: {**epochs, **changes} for name, changes in ABLATIONS.items()},
    }
    rows = experiments.choose_rows(settings, table, ("softmax", "devise"))
    softmax = {name: row for name, row in rows.items() if row.head == "softmax"}
    embedding = {name: row for name, row in rows.items() if name not in softmax}
    experiment = experiments.Experiment(
        "devise", settings, make_report=evaluation.report_hits, monitor="hit@5"
    )
    street = settings.source in ("street_fashion", "street_fashion/tiny")
    held_out = HELD_OUT if street and settings.zero_shot is None else ()
    study = experiments.ZeroShotStudy(
        experiment, held_out if settings.held_out is None else settings.held_out
    )
    study.train(softmax, embedding, functools.partial(build, study=study))
    study.judge(("softmax", *embedding), functools.partial(compile_scorer, settings))
    experiment.show()
    experiment.show("zero_shot")
    return study.finish()


def build(
    settings: Settings,
    data: "MultiLabelData",
    seed: int,
    study: "experiments.ZeroShotStudy[Settings]",
) -> "Model":
    """Builds a row's compiled model, or its part above cached features."""
    import keras

    from kmlic import losses, models, training

    if settings.weights is not None:
        settings = dataclasses.replace(settings, batch_norm="freeze")
    backbone = experiments.make_backbone(settings)
    shared = ("image_size", "dropout")
    options: dict[str, Any] = {name: getattr(settings, name) for name in shared}
    if settings.head == "softmax":
        model = models.build_classifier(len(data.labels), backbone=backbone, **options)
        if data.source is not None:
            model = models.part_above_pool(model)
        loss: Loss = losses.PartialBinaryCrossentropy()
        if (data.train_targets.sum(axis=1) == 1).all():
            loss = keras.losses.CategoricalCrossentropy(from_logits=True)
        own: dict[str, Any] = {"bias_layer": models.LOGITS, "metrics": make_hits()}
        experiments.compile_model(model, settings, data, loss, multipliers={}, **own)
        return model
    words, hidden = study.words[seed], settings.hidden_units
    size = words.vectors.shape[1]
    model = models.build_devise(size, backbone=backbone, hidden_units=hidden, **options)
    if data.source is not None:
        model = models.part_above_pool(model)
    model = models.score_labels(model, words.vectors)
    if settings.warm_start and not study.features:
        source = study.experiment.trained["softmax"][seed].load_model()
        copied, fresh = training.transfer_weights(source, model)
        study.experiment.say(f"{len(copied)} weights from softmax; not {fresh}.")
    compile_scorer(settings, model, data, words.shared)
    return model


def compile_scorer(
    settings: Settings,
    model: "Model",
    data: "MultiLabelData",
    shared: list[list[int]],
) -> None:
    """Compiles an embedding model that ends in similarities to labels."""
    from kmlic import losses

    loss: Loss
    if settings.loss == "hinge_rank":
        loss = losses.HingeRank(settings.margin, shared_labels=shared)
    elif settings.loss == "softmax_rank":
        loss = losses.SoftmaxRank(settings.temperature, shared_labels=shared)
    else:
        margin = None if settings.loss == "cosine" else settings.margin
        loss = losses.CosineMargin(margin, shared_labels=shared)
    settings = dataclasses.replace(settings, epochs=settings.embedding_epochs)
    experiments.compile_model(model, settings, data, loss, metrics=make_hits())


def make_hits() -> "list[Metric]":
    """Makes the metrics of training batches."""
    from kmlic import metrics

    return [metrics.HitAtK(k, name=f"hit@{k}") for k in (1, 5)]


if __name__ == "__main__":
    sys.exit(experiments.run_recipe(main, PRESETS, description=__doc__))

"""The table of all models: the tests of every model take them from here.

Contract, saving and low precision (test_papers.py), activation maps (tests/explain),
exports (tests/export/test_models.py) and replicas (tests/training/test_replicas.py) run
on each of them. A new paper adds its builder and one entry of `PAPERS`.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from kmlic.labels import Labels
from kmlic.losses import GroupFocalLoss, HingeRank, PartialBinaryCrossentropy
from kmlic.models import (
    ACTIVATION_MAPS,
    ATTENTION,
    EMBEDDING,
    EXPORT_LAYER,
    LOGITS,
    POOL,
    build_attribute_classifier,
    build_cam_generator,
    build_classifier,
    build_csra,
    build_decouplenet,
    build_devise,
    build_ml_decoder,
    build_msrn,
    build_query2label,
    build_semantic_resnest,
    score_labels,
)

SIZE = 64
NETWORK = {"backbone": "small_resnet", "image_size": SIZE}
LABELS = Labels(("shirt", "dress", "jeans", "red", "blue"))
EXCLUSIVE = Labels(
    LABELS.names,
    {"garment": LABELS.names[:3], "colour": LABELS.names[3:]},
    exclusive=True,
)


@dataclasses.dataclass(frozen=True)
class Variant:
    """Options of a builder, and what then differs from the paper's other models.

    Args:
        options: of the builder.
        promises: the names of `kmlic.models` that the model has; None for the paper's.
        slow: whether its contract is tested with `-m slow` only.
    """

    options: Mapping[str, Any]
    promises: tuple[str, ...] | None = None
    slow: bool = False


@dataclasses.dataclass(frozen=True)
class Paper:
    """Small models of one paper, for `LABELS` and images of `SIZE` pixels.

    Args:
        build: takes the options of a variant and returns the model.
        promises: the names of `kmlic.models` that its models have.
        labels: of its logits; None for a model that returns embeddings.
        loss: makes the loss it is trained with; None if it is not trained as it is.
        variants: by name, beside the model without options.
    """

    build: Callable[..., keras.Model]
    promises: tuple[str, ...]
    labels: Labels | None = LABELS
    loss: Callable[[], keras.Loss] | None = PartialBinaryCrossentropy
    variants: Mapping[str, Variant] = dataclasses.field(default_factory=dict)


def _attributes(**options):
    options = {"feature": "pooled", **NETWORK, **options}
    return build_attribute_classifier(EXCLUSIVE.groups, **options)


def _classifier(**options):
    return build_classifier(len(LABELS), **NETWORK, **options)


def _csra(**options):
    return build_csra(len(LABELS), **NETWORK, **options)


def _decouplenet(**options):
    options = {"attention": "both", "maps_per_label": 2, **NETWORK, **options}
    return build_decouplenet(len(LABELS), **options)


def _devise(**options):
    return build_devise(12, **{"image_size": SIZE, "dropout": 0.0, **options})


def _devise_scores(metric="cosine", **options):
    vectors = np.random.default_rng(0).normal(size=(len(LABELS), 12))
    return score_labels(_devise(**options), vectors, metric=metric)


def _ml_decoder(**options):
    sizes = {"embedding_size": 16, "num_heads": 4, "hidden_units": 32, "dropout": 0.0}
    return build_ml_decoder(len(LABELS), **{**sizes, **NETWORK, **options})


def _msrn(**options):
    generator = np.random.default_rng(0)
    words = generator.normal(size=(len(LABELS), 12))
    adjacency = generator.random((len(LABELS), len(LABELS))) > 0.5
    sizes = {"num_groups": 2, "embedding_size": 16, "hidden_units": 32}
    return build_msrn(words, adjacency, **{**sizes, **NETWORK, **options})


def _query2label(**options):
    sizes = {"embedding_size": 16, "hidden_units": 32, "dropout": 0.0}
    return build_query2label(len(LABELS), **{**sizes, **NETWORK, **options})


def _cam_generator(**options):
    return build_cam_generator(len(LABELS), **NETWORK, **options)


def _semantic_resnest(**options):
    return build_semantic_resnest(
        len(LABELS),
        **{
            "cam_generator": _cam_generator(feature_map=-2),
            **NETWORK,
            "backbone": "small_resnest",
            "hidden_units": (32,),
            **options,
        },
    )


PAPERS = {
    "attribute_classifier": Paper(
        _attributes,
        (LOGITS, POOL),
        EXCLUSIVE,
        lambda: GroupFocalLoss((3, 2)),
        {
            "output": Variant({"feature": "output"}, (LOGITS,)),
            "avg+max": Variant({"pooling": "avg+max"}),
            "two maps": Variant({"pooling": "avg+max", "maps": 2}),
            "attention": Variant({"pooling": "attention", "maps": 3}, (LOGITS,)),
            "hidden": Variant({"hidden_units": (8, 8), "dropout": 0.5}),
        },
    ),
    "classifier": Paper(
        _classifier,
        (LOGITS, POOL),
        variants={
            "max": Variant({"pooling": "max"}),
            "wildcat": Variant({"pooling": "wildcat"}, (LOGITS, ACTIVATION_MAPS)),
        },
    ),
    "csra": Paper(
        _csra,
        (LOGITS, ACTIVATION_MAPS),
        variants={
            "8 heads": Variant({"num_heads": 8, "attention_weight": 0.4}),
            "bias": Variant({"normalise": False, "use_bias": True}, slow=True),
        },
    ),
    "decouplenet": Paper(
        _decouplenet,
        (LOGITS, ACTIVATION_MAPS),
        variants={
            "arch1": Variant({"attention": "arch1"}),
            "arch2": Variant({"attention": "arch2"}),
            "no attention": Variant({"attention": None}),
            "bilinear": Variant({"upsampling": "bilinear", "stride": 2}, slow=True),
            "no upsampling": Variant({"upsampling": None}, slow=True),
        },
    ),
    "devise": Paper(_devise, (EMBEDDING, POOL), labels=None, loss=None),
    "devise_scores": Paper(
        _devise_scores,
        (EMBEDDING, POOL),
        loss=HingeRank,
        variants={"dot": Variant({"metric": "dot", "dropout": 0.4})},
    ),
    "ml_decoder": Paper(
        _ml_decoder,
        (LOGITS, ATTENTION),
        variants={
            "2 groups": Variant({"num_groups": 2, "dropout": 0.1}, slow=True),
            "words": Variant(
                {"word_vectors": np.random.default_rng(0).normal(size=(5, 12))}
            ),
        },
    ),
    "msrn": Paper(
        _msrn,
        (LOGITS, ATTENTION, EXPORT_LAYER),
        variants={
            "labels": Variant({"semantics": "labels", "branches": 1}, slow=True),
            "pooled": Variant({"semantics": "none"}, (LOGITS,), slow=True),
        },
    ),
    "query2label": Paper(
        _query2label,
        (LOGITS, ATTENTION),
        variants={
            "as it is": Variant(
                {"embedding_size": None, "num_encoders": 0, "num_decoders": 1},
                slow=True,
            )
        },
    ),
    "cam_generator": Paper(
        _cam_generator,
        (LOGITS, ACTIVATION_MAPS),
        variants={"finer": Variant({"feature_map": -2}, slow=True)},
    ),
    "semantic_resnest": Paper(
        _semantic_resnest,
        (LOGITS, ACTIVATION_MAPS, POOL),
        variants={
            "three channels": Variant({"embedding_channels": 3}, slow=True),
            "resized": Variant({"embedding": "resize"}, slow=True),
            "trainable": Variant({"generator": "trainable"}, slow=True),
            "joint": Variant({"generator": "joint"}, slow=True),
            "one stem": Variant({"generator": "joint", "share": "stem"}),
        },
    ),
}


@dataclasses.dataclass(frozen=True)
class Model:
    """One model of the table.

    Args:
        paper: its entry of `PAPERS`.
        variant: its options.
    """

    paper: Paper
    variant: Variant

    @property
    def promises(self) -> tuple[str, ...]:
        """The names of `kmlic.models` that it has."""
        own = self.variant.promises
        return self.paper.promises if own is None else own

    @property
    def outputs(self) -> int:
        """How many numbers it returns of each image."""
        return 12 if self.paper.labels is None else len(self.paper.labels)

    def build(self) -> keras.Model:
        """Builds it with the same weights each time."""
        keras.utils.set_random_seed(0)
        return self.paper.build(**self.variant.options)


# Every model of every paper, by name: "msrn", "msrn, labels" and so on.
MODELS = {
    f"{name}, {variant}" if variant else name: Model(paper, options)
    for name, paper in PAPERS.items()
    for variant, options in {"": Variant({}), **paper.variants}.items()
}

"""DecoupleNet: a map for every label, independence and relevance decoupled.

Paper:   Liu, Guo, Huang and Scott, "Decoupling Category-wise Independence and Relevance
         with Self-Attention for Multi-label Image Classification", ICASSP 2019,
         https://doi.org/10.1109/ICASSP.2019.8683763
Command: python -m recipes.decouplenet --ablations --seeds 0 1 2
Paper's: python -m recipes.decouplenet --paper --ablations --dataset coco2014
Photos:  python -m recipes.decouplenet --photos --ablations --seeds 0 1 2 --data_dir DIR
Trial:   python -m recipes.decouplenet --trial
Cost:    33 CPU-minutes for all rows, three seeds and six epochs, 55 minutes on two
         cores beside other work; a row of --photos 2 to 30 s
Result:  70.36 mAP of arch1, 51.63 of average pooling; their maps point right in
         82.74 % and 72.00 % (six epochs, three seeds)
"""

import dataclasses
import functools
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from rich.table import Table

from kmlic.backbones import build_backbone, freeze_batch_norm
from kmlic.data import Boxes, MultiLabelData
from kmlic.datasets import load_dataset
from kmlic.evaluation import (
    Pointing,
    Report,
    linear_probe,
    pointing_game,
    report_scores,
)
from kmlic.experiments import Experiment, TrainingSettings, run_recipe
from kmlic.explain import Centers, activation_maps, overlay, receptive_field_centers
from kmlic.html_report import Section
from kmlic.layers import CategorySpaceToDepth
from kmlic.losses import AsymmetricLoss, PartialBinaryCrossentropy
from kmlic.models import LOGITS, build_classifier, build_decouplenet
from kmlic.run_folder import Run
from kmlic.training import (
    CachedFeatures,
    CoupledSGD,
    LayerwiseAdamW,
    initialise_bias,
    make_strategy,
    part_multipliers,
)

Head = Literal["avg", "max", "wildcat", "decouplenet"]
Row = Literal[
    "baseline",
    "max pooling",
    "wildcat",
    "decouplenet",
    "without attention",
    "arch1",
    "arch2",
    "both",
    "bilinear",
    "without upsampling",
]

# What each row of the paper's tables changes in the settings. "decouplenet" is what the
# flags say; the average of arch1's and arch2's probabilities comes of itself.
ROWS: dict[Row, dict[str, Any]] = {
    "baseline": {"head": "avg"},
    "max pooling": {"head": "max"},
    "wildcat": {"head": "wildcat"},
    "decouplenet": {},
    "without attention": {"attention": None},
    "arch1": {"attention": "arch1"},
    "arch2": {"attention": "arch2"},
    "both": {"attention": "both"},
    "bilinear": {"attention": "arch1", "upsampling": "bilinear"},
    "without upsampling": {"attention": "arch1", "upsampling": None, "stride": 1},
}
ENSEMBLE = "arch1+arch2"
MEASURED = 256  # validation images that say where a map looks
CENTRE = "centre of the image"  # what a map without any difference points at
# Better row, worse row, and the points of mAP between them in the paper's table.
CLAIMS = (
    ("max pooling", "baseline", "-"),
    ("wildcat", "baseline", "+2.9, COCO"),
    ("arch1", "wildcat", "+1.0, COCO"),
    ("arch2", "wildcat", "+1.1, COCO"),
    (ENSEMBLE, "arch1", "+0.5, COCO"),
    ("both", "arch1", "-"),
    ("arch1", "without attention", "+0.4, NUS-WIDE"),
    ("arch2", "without attention", "+0.5, NUS-WIDE"),
    ("arch1", "without upsampling", "+2.3, COCO"),
    ("bilinear", "without upsampling", "+1.8, COCO"),
    ("arch1", "bilinear", "+0.5, COCO"),
)


@dataclasses.dataclass(frozen=True)
class Settings(TrainingSettings):
    """What is trained on what, and how.

    The defaults fit two CPU cores; `--paper` stands for the paper's configuration.
    """

    dataset: str = "street_fashion"
    """Name of a dataset of kmlic.data; csv for `data_dir`/labels.csv, coco for
    `data_dir`/labels.json in COCO's format."""
    data_dir: Path | None = None
    """Where the dataset lies or is kept; TFDS's own folder when left out."""
    on_error: Literal["raise", "skip"] = "raise"
    """What a broken image or row does to own data: stop, or be counted."""

    rows: tuple[Row, ...] = ("baseline", "decouplenet")
    """Which models to train, all alike; the last one is exported."""
    head: Head = "decouplenet"
    """What stands on the backbone; each row sets it."""
    backbone: str = "small_resnet"
    weights: str | None = None
    """None, imagenet, or a file of weights for the backbone."""
    batch_norm: Literal["train", "freeze"] = "train"
    """freeze: the backbone keeps its batch statistics (small data, few images)."""
    stage: Literal[1, 2, 3, 4] = 3
    """Which of the backbone's feature maps: 4 has a 32nd of the image's side, 3 a 16th.
    On small images 4 leaves too few places to look for anything."""
    image_size: int = 128
    """Side in pixels; 128 is street_fashion's own."""
    attention: Literal["arch1", "arch2", "both"] | None = "arch1"
    upsampling: Literal["transposed", "bilinear"] | None = "transposed"
    stride: Literal[1, 2] = 1
    """How much finer the maps get in between: 1 from H to H + 2, as public code has it,
    2 from H to 2 H, as the text may be read."""
    maps_per_label: int = 8
    """Of WILDCAT too."""
    attention_maps: Literal["avg", "max", "all"] = "avg"
    """What arch1 sees of each label's maps."""
    max_gradient: Literal["exact", "broadcast"] = "exact"
    """broadcast: the gradient of the code, which reaches all of a label's maps."""
    kmax: float = 0.05
    """Share (below 1) or number of places that are averaged where a map is highest, and
    of as many where it is lowest. The code's fifth of the image is for objects that
    fill it: a bag takes a fiftieth."""
    alpha: float = 0.7
    """Weight of the lowest places."""
    first_bias: Literal["frequency", "zero"] = "frequency"
    """frequency: the logits begin near how frequent each label is; zero: as torch."""
    first_kernel: Literal["centred", "small", "random"] = "small"
    """small: the logits begin nearly alike for all images, and each of a label's maps
    nearly as the finer map it is made of; centred: that map begins as a linear layer of
    the features too, so that a label's maps move less to one side of it; random: as
    torch."""
    dropout: float = 0.0
    """Share of the backbone's channels dropped in training."""

    cache_features: bool = False
    """Keeps the backbone as it is and computes its features once for all rows."""
    cache_dir: Path = Path(".kmlic/features")
    """Where those features are kept."""
    linear_probe: bool = False
    """Adds logistic regression on the backbone's features as it is, average and maximum
    pooled: what any model has to beat on few images."""

    augmentation: Literal["none", "flip", "multi_scale_crop"] = "flip"
    batch_size: int = 32
    epochs: int = 10
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = 2e-3
    backbone_multiplier: float = 1.0
    """Factor of the backbone's learning rate."""
    upsampling_multiplier: float = 1.0
    """Factor of the learning rate of the transposed convolution, which has nine times
    the weights of a linear layer and on few images learns them by heart."""
    weight_decay: float = 0.01
    """Decoupled for adamw, coupled as torch means it for sgd."""
    clip_norm: float | None = 10.0
    """Largest norm of all gradients together."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """cosine: to zero after one epoch of warm-up."""
    loss: Literal["crossentropy", "asymmetric"] = "crossentropy"

    seeds: tuple[int, ...] = (0,)
    folder: Path = Path("saved_models/decouplenet")
    export_maps: bool = False
    """Gives the exports a second output, a map for every label."""
    pictures: int = 6
    """Test images that the report shows with their maps."""
    paper: bool = False
    """The paper's configuration: ResNet-101, 448 pixels, SGD, 12 epochs."""
    photos: bool = False
    """Few photos of one's own (`data_dir`): all rows on the cached features of a frozen
    MobileNetV2, beside logistic regression on the same features."""
    trial: bool = False
    """Everything once on a few images, in under two minutes."""
    ablations: bool = False
    """All rows of the paper's Tables 1, 3 and 4; resumable row by row."""


PRESETS = {
    "paper": Settings(
        backbone="resnet101",
        weights="imagenet",
        stage=4,
        image_size=448,
        kmax=0.2,
        batch_size=50,
        epochs=12,
        optimizer="sgd",
        learning_rate=0.01,
        backbone_multiplier=0.1,
        weight_decay=1e-4,
        clip_norm=None,
        schedule="constant",
        first_bias="zero",
        first_kernel="random",
        folder=Path("saved_models/decouplenet_paper"),
        paper=True,
    ),
    "photos": Settings(
        dataset="csv",
        backbone="mobilenet_v2",
        weights="imagenet",
        batch_norm="freeze",
        stage=4,
        image_size=320,
        kmax=0.2,
        cache_features=True,
        linear_probe=True,
        epochs=12,
        learning_rate=1e-3,
        upsampling_multiplier=0.3,
        weight_decay=20.0,  # 2 % a step: what logistic regression's penalty is there
        folder=Path("saved_models/decouplenet_photos"),
        photos=True,
    ),
    "trial": Settings(
        dataset="street_fashion/tiny",
        rows=("baseline", "wildcat", "arch1", "arch2"),
        image_size=64,
        maps_per_label=2,
        epochs=1,
        export_maps=True,
        pictures=2,
        folder=Path("saved_models/decouplenet_trial"),
        trial=True,
    ),
}


def main(settings: Settings) -> Run:
    """Trains the rows alike, compares, points, exports and leaves a run folder."""
    experiment = Experiment("decouplenet", settings)
    rows = settings.rows
    if settings.ablations:
        rows = tuple(row for row in ROWS if row != "decouplenet")
    data = {seed: load(settings, seed) for seed in settings.seeds}
    features = {seed: cache(settings, each) for seed, each in data.items()}
    for seed in settings.seeds:
        for name in rows:
            row = dataclasses.replace(settings, **ROWS[name])
            train(experiment, name, seed, row, features[seed])
        add_ensemble(experiment, seed)
    if settings.linear_probe:
        # After the trainings, for it is not kept when the run is interrupted.
        for seed, each in data.items():
            scores = probe(settings, each, features[seed])
            experiment.add_scores("logistic regression", seed, scores)
    exported = "both" if settings.ablations else rows[-1]
    # The maps come first: where they point stands in the table too.
    maps = list(show_maps(experiment, settings, exported))
    experiment.show()
    sections = [claims(experiment), *maps]
    return experiment.finish(
        exported=exported, sections=sections, maps=settings.export_maps
    )


def load(settings: Settings, seed: int, **options: Any) -> MultiLabelData:
    """Loads the dataset the settings name; the seed orders, and splits own data."""
    if settings.dataset in ("csv", "coco"):
        options["on_error"] = settings.on_error
    return load_dataset(
        settings.dataset,
        data_dir=settings.data_dir,
        image_size=settings.image_size,
        batch_size=settings.batch_size,
        seed=seed,
        augmentation=settings.augmentation,
        augment_on=settings.augment_on,
        **options,
    )


def cache(settings: Settings, data: MultiLabelData) -> CachedFeatures | None:
    """Computes the features that all rows share, where the backbone stays as it is."""
    if not settings.cache_features:
        return None
    return CachedFeatures(make_backbone(settings), data, settings.cache_dir)


def train(
    experiment: Experiment,
    name: str,
    seed: int,
    row: Settings,
    features: CachedFeatures | None,
) -> None:
    """Trains one model on images, or what stands on the backbone on its features."""
    if features is None:
        data = load(row, seed)
        build = functools.partial(build_compiled, row, data)
        experiment.train(name, seed, build, data, epochs=row.epochs)
        return
    data = features.load(
        batch_size=row.batch_size, seed=seed, augmentation=row.augmentation
    )
    build = functools.partial(build_compiled, row, data, features.extractor)
    experiment.train(name, seed, build, data, epochs=row.epochs, whole=features.join)


def build_compiled(
    settings: Settings, data: MultiLabelData, frozen: keras.Model | None = None
) -> keras.Model:
    """Builds a row's model; of one on a frozen backbone what takes its features."""
    with make_strategy(settings.strategy).scope():
        backbone = frozen or make_backbone(settings)
        if settings.head == "decouplenet":
            model = build_decouplenet(
                len(data.labels),
                backbone=backbone,
                attention=settings.attention,
                upsampling=settings.upsampling,
                stride=settings.stride,
                maps_per_label=settings.maps_per_label,
                attention_maps=settings.attention_maps,
                max_gradient=settings.max_gradient,
                kmax=settings.kmax,
                alpha=settings.alpha,
                dropout=settings.dropout,
                image_size=settings.image_size,
            )
        else:
            model = build_classifier(
                len(data.labels),
                backbone=backbone,
                pooling=settings.head,
                kmax=settings.kmax,
                alpha=settings.alpha,
                maps_per_label=settings.maps_per_label,
                dropout=settings.dropout,
                image_size=settings.image_size,
            )
        if settings.first_kernel != "random":
            start_alike(settings, model)
        if settings.first_bias == "frequency":
            start_at_frequencies(settings, data, model)
        if frozen is not None:
            # A model inside a model gives its own output, not the one it has here.
            features = model.layers[model.layers.index(frozen) + 1].input
            model = keras.Model(features, model.output, name=model.name)
        compile_model(settings, data, model)
    return model


def start_alike(settings: Settings, model: keras.Model) -> None:
    """Lets the logits begin nearly alike for all images.

    With few images, what the random kernels see in them is never unlearned. They are
    not zero, for a label's maps would stay the same for ever.
    """
    ends_in = {"decouplenet": "space_to_depth", "wildcat": "label_maps"}
    layer = model.get_layer(ends_in.get(settings.head, LOGITS))
    if settings.head != "decouplenet":
        layer.kernel.assign(0.1 * layer.kernel.numpy())
        return
    kernel = 0.1 * layer.expand.kernel.numpy()
    if settings.first_kernel == "centred" and settings.upsampling == "transposed":
        centre = kernel[1, 1].copy()
        kernel[:] = 0
        kernel[1, 1] = centre
    layer.expand.kernel.assign(kernel)
    if settings.upsampling is not None:
        kernel = 0.1 * layer.split.kernel.numpy()
        kernel[1, 1] += 1  # the largest of random maps would be high everywhere
        layer.split.kernel.assign(kernel)
    for gate in model.layers:
        if gate.name in ("arch1", "arch2"):
            gate.normalise.gamma.assign(0.1 * gate.normalise.gamma.numpy())


def start_at_frequencies(
    settings: Settings, data: MultiLabelData, model: keras.Model
) -> None:
    """Lets the logits begin near how frequent each label is."""
    if settings.head in ("avg", "max"):
        initialise_bias(model, data.train_targets)
        return
    # What the pooling makes of a map that is higher by one everywhere; then each
    # attention adds its share: the sigmoid of the maximum of normalised values, nearer
    # to 1 than to 0, or of a tenth of them.
    gain = (1 + settings.alpha) / (2 if settings.alpha else 1)
    if settings.head == "wildcat":
        initialise_bias(model, data.train_targets, layer="label_maps", gain=gain)
        return
    attentions = {None: 0, "both": 2}.get(settings.attention, 1)
    gate = 0.9 if settings.first_kernel == "random" else 0.55
    initialise_bias(
        model,
        data.train_targets,
        layer="space_to_depth",
        gain=gain * (1 + gate * attentions),
    )


def make_backbone(settings: Settings) -> keras.Model:
    """Builds the backbone with its weights, up to the stage that is looked at."""
    backbone = build_backbone(
        settings.backbone, image_size=settings.image_size, weights=settings.weights
    )
    if settings.batch_norm == "freeze":
        freeze_batch_norm(backbone)
    feature_map = backbone.outputs[settings.stage - 1]
    return keras.Model(backbone.inputs, feature_map, name=backbone.name)


def compile_model(settings: Settings, data: MultiLabelData, model: keras.Model) -> None:
    """Gives a model its loss, optimizer and learning rate schedule."""
    rate = settings.learning_rate
    if settings.schedule == "cosine":
        steps = data.sizes["train"] // settings.batch_size
        rate = keras.optimizers.schedules.CosineDecay(
            0.0,
            steps * (settings.epochs - 1) or 1,
            warmup_target=settings.learning_rate,
            warmup_steps=steps,
        )
    # What takes features has no backbone.
    multipliers: dict[str, float] = {}
    for layer in model.layers:
        if layer.name == settings.backbone:
            multipliers |= part_multipliers(layer, settings.backbone_multiplier)
        if isinstance(layer, CategorySpaceToDepth) and layer.upsampling == "transposed":
            factor = settings.upsampling_multiplier
            multipliers |= part_multipliers(layer.expand, factor)
    options: dict[str, Any] = {
        "multipliers": multipliers,
        "global_clipnorm": settings.clip_norm,
    }
    if settings.optimizer == "sgd":
        optimizer = CoupledSGD(rate, 0.9, l2=settings.weight_decay, **options)
    else:
        optimizer = LayerwiseAdamW(rate, settings.weight_decay, **options)
    loss = PartialBinaryCrossentropy()
    if settings.loss == "asymmetric":
        loss = AsymmetricLoss()
    model.compile(optimizer, loss)


def add_ensemble(experiment: Experiment, seed: int) -> None:
    """Averages the probabilities of arch1 and arch2, the paper's arch1+arch2."""
    pair = [
        trained
        for name in ("arch1", "arch2")
        for trained in experiment.trained.get(name, ())
        if trained.seed == seed
    ]
    if len(pair) == 2:
        one, other = (trained.scores for trained in pair)
        scores = {
            split: (one[split][0], (one[split][1] + other[split][1]) / 2)
            for split in one
        }
        experiment.add_scores(ENSEMBLE, seed, scores)


def probe(
    settings: Settings, data: MultiLabelData, features: CachedFeatures | None
) -> Mapping[str, tuple[np.ndarray, np.ndarray]]:
    """Scores the splits by logistic regression on the backbone as it is."""
    if features is None:
        return linear_probe(make_backbone(settings), data, pooling="avg+max")
    maps = keras.Input(features.shapes[0])
    loaded = features.load(batch_size=settings.batch_size)
    return linear_probe(keras.Model(maps, maps), loaded, pooling="avg+max")


def claims(experiment: Experiment) -> Section:
    """Lays the paper's comparisons beside the same ones here, seed by seed."""
    rows = []
    for better, worse, paper in CLAIMS:
        if {better, worse} <= set(experiment.trained):
            points = precisions(experiment, better) - precisions(experiment, worse)
            won = f"{(points > 0).sum()} of {len(points)}"
            rows.append((better, worse, paper, mean_and_deviation(points, "+"), won))
    text = (
        "Points of mAP between two rows on the test split: in the paper, with "
        "ResNet-101 (the upsamplings with ResNet-50), and here, over the seeds; and in "
        "how many seeds the first row is the better one."
    )
    header = ("row", "against", "paper", "here", "seeds")
    table = Table(*header, title="The paper's claims")
    for row in rows:
        table.add_row(*row)
    experiment.console.print(table)
    return Section("The paper's claims", text, header, rows)


def precisions(experiment: Experiment, name: str) -> np.ndarray:
    """Gives a row's mAP on the test split in percent, one value per seed."""
    return np.array(
        [
            100 * report_scores(*each.scores["test"], labels).metrics["mAP"]
            for each in experiment.trained[name]
            for labels in [experiment.data[each.seed].labels]
        ]
    )


def mean_and_deviation(values: np.ndarray, sign: str = "") -> str:
    """Writes the mean of the seeds' values, with its deviation where there are more."""
    text = f"{np.mean(values):{sign}.2f}"
    return f"{text} ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else text


def show_maps(
    experiment: Experiment, settings: Settings, exported: str
) -> Iterator[Section]:
    """Looks where the maps are highest, and draws some beside their images."""
    boxed = settings.dataset.split("/")[0] in ("street_fashion", "coco")
    options = {"boxes": True} if boxed else {}
    data = {seed: load(settings, seed, **options) for seed in settings.seeds}
    if boxed:
        yield point(experiment, data)
    yield draw_maps(experiment, data[settings.seeds[0]], settings, exported)


def point(experiment: Experiment, data: Mapping[int, MultiLabelData]) -> Section:
    """Plays the pointing game with every row's maps on the test images."""
    labels = next(iter(data.values())).labels
    columns = {"pointing": None} | {
        f"pointing/{group}": labels.indices(group) for group in labels.groups or ()
    }
    rows = []
    for name in [*experiment.trained, CENTRE]:
        shares = []
        for seed, each in data.items():
            model = load_row(experiment, name, seed)
            if model is None and name != CENTRE:
                continue  # no maps: the ensemble, logistic regression
            pointing, difficult, by_windows = count_hits(model, each)
            values = {key: pointing.accuracy(own) for key, own in columns.items()}
            values["pointing/difficult"] = difficult.accuracy()
            values["pointing/by windows"] = by_windows.accuracy()
            if name == CENTRE:
                report = Report(values, {}, len(each.boxes["test"]))
                experiment.add_report("pointing", name, seed, report)
            else:
                experiment.add_metrics(name, seed, "test", values)
            shares.append([100 * value for value in values.values()])
        if shares:
            rows.append((name, *map(mean_and_deviation, np.transpose(shares))))
    text = (
        "How often a label's map is highest in one of the label's boxes, on test "
        "images that show it, in percent and averaged over labels; difficult: where "
        "those boxes have less than a quarter of the image's area. Where a label's map "
        "looks is measured on validation images by gradients; by windows: all labels, "
        "with places as they follow from the network's windows alone. The maps of the "
        "rows with average and maximum pooling are class activation maps. No image was "
        "trained on, and no box at all."
    )
    header = ("row", "all labels", *(labels.groups or ()), "difficult", "by windows")
    return Section("Pointing game", text, header, rows)


def load_row(experiment: Experiment, name: str, seed: int) -> keras.Model | None:
    """Loads the model of a row and seed, if it is one."""
    for trained in experiment.trained.get(name, ()):
        if trained.seed == seed and trained.model_path is not None:
            return keras.saving.load_model(trained.model_path, compile=False)
    return None


def count_hits(
    model: keras.Model | None, data: MultiLabelData
) -> tuple[Pointing, Pointing, Pointing]:
    """Counts the hits on all test images, on the difficult labels, and by windows.

    The last are of all labels, with places as they follow from the model's windows
    alone. Without a model the maps are flat: they point at the image's centre.
    """
    counts, start = [], 0
    centers, unmeasured = None, None
    if model is not None:
        centers = measure_centers(model, data)
        unmeasured = receptive_field_centers(model)
    for images, _ in data.test.as_numpy_iterator():
        boxes = data.boxes["test"][start : start + len(images)]
        maps = np.zeros((len(images), 1, 1, len(data.labels)))
        if model is not None:
            maps = activation_maps(model, images)
        game = functools.partial(pointing_game, maps, boxes, data.labels.names)
        counts.append(
            (
                game(centers=centers),
                game(centers=centers, difficult=True),
                game(centers=unmeasured),
            )
        )
        start += len(images)
    every, difficult, by_windows = np.sum(counts, axis=0)
    return Pointing(*every), Pointing(*difficult), Pointing(*by_windows)


def measure_centers(model: keras.Model, data: MultiLabelData) -> Centers:
    """Measures where a model's maps look, on validation images."""
    batches = [images for images, _ in data.validation.as_numpy_iterator()]
    return receptive_field_centers(model, np.concatenate(batches)[:MEASURED])


def draw_maps(
    experiment: Experiment, data: MultiLabelData, settings: Settings, exported: str
) -> Section:
    """Draws test images with the maps of their labels, as the paper's Fig. 2."""
    names = [name for name in ("baseline", exported) if name in experiment.trained]
    models = {
        name: load_row(experiment, name, settings.seeds[0])
        for name in dict.fromkeys(names)
    }
    images = next(iter(data.test.unbatch().batch(settings.pictures)))[0].numpy()
    maps = {name: activation_maps(model, images) for name, model in models.items()}
    centers = {name: measure_centers(model, data) for name, model in models.items()}
    figures = []
    for index, image in enumerate(images):
        present = np.flatnonzero(data.targets["test"][index] == 1)
        if len(present):
            boxes = data.boxes["test"][index] if data.boxes else None
            own = {name: each[index] for name, each in maps.items()}
            figures.append(
                draw_image(image, own, centers, present, data.labels.names, boxes)
            )
    text = (
        "Test images under the maps of labels that they show, from each map's lowest "
        "value to its highest, with the labels' boxes where the dataset has them."
    )
    return Section("Maps", text, figures=figures)


def draw_image(
    image: np.ndarray,
    maps: Mapping[str, np.ndarray],
    centers: Mapping[str, Centers],
    present: np.ndarray,
    names: tuple[str, ...],
    boxes: Boxes | None,
) -> Figure:
    """Draws one image under the maps of its labels, one line per model."""
    height, width = image.shape[:2]
    columns = 1 + len(present)
    figure = Figure(figsize=(1.5 * columns, 1.7 * len(maps)), layout="tight")
    grid = figure.subplots(len(maps), columns, squeeze=False)
    for line, (model, each) in zip(grid, maps.items(), strict=True):
        line[0].imshow(image.astype("uint8"))
        line[0].set(xticks=(), yticks=())
        line[0].set_ylabel(model, fontsize=8)
        for axes, label in zip(line[1:], present, strict=True):
            own = each[..., label]
            rows, across = (each[:, label] for each in centers[model])
            axes.imshow(overlay(image, own, centers=(rows, across), lowest=None))
            axes.set(xticks=(), yticks=())
            axes.set_title(names[label], fontsize=8)
            for name, (top, left, bottom, right) in zip(
                *boxes or ((), ()), strict=True
            ):
                if name == names[label]:
                    axes.add_patch(
                        Rectangle(
                            (left * width, top * height),
                            (right - left) * width,
                            (bottom - top) * height,
                            fill=False,
                            edgecolor="white",
                        )
                    )
    return figure


if __name__ == "__main__":
    sys.exit(run_recipe(main, Settings, PRESETS, description=__doc__))

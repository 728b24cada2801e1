"""The command `kmlic`."""

import contextlib
import csv
import functools
import inspect
import os
import shlex
import sys
import time
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from rich.table import Table

from kmlic.atomic_write import require_writable
from kmlic.check_limits import (
    MAX_BYTES,
    MAX_PIXELS,
    NEAR_BITS,
    BatchSize,
    Count,
    Fraction,
    ImageBytes,
    ImagePixels,
    Limits,
    Minutes,
    Seed,
    check_limits,
)
from kmlic.classifier.read_groups import read_groups
from kmlic.count_noun import count_noun
from kmlic.data.reading_options import ReadingOptions
from kmlic.escape_text import escape_text, parse_escaped_first
from kmlic.known_names import (
    DATASETS,
    LogName,
    LossName,
    Metric,
    ModelName,
    PositiveWeights,
    Precision,
)
from kmlic.list_images import list_images
from kmlic.make_console import make_console
from kmlic.on_sigterm import STOPPED, on_sigterm
from kmlic.require_paths import require_paths
from kmlic.require_preset import require_preset
from kmlic.run_folder import (
    RECORD,
    require_run,
    require_same_settings,
    require_unclaimed,
)
from kmlic.run_folder import Run as Record
from kmlic.start_tensorflow import hide_known_messages, start_tensorflow

if TYPE_CHECKING:
    import keras
    from rich.console import Console

    from kmlic.data.finding import Finding
    from kmlic.data.limits import Limits as FileLimits
    from kmlic.data_check import DataCheck
    from kmlic.labels import Labels
    from kmlic.predict import Prediction, Scorer
    from kmlic.predict.read_boxes import Box

# Rows of a finding that are printed; a report has more.
_SHOWN = 5
_SHOWN_LABELS = 200
# Endings of the files that are written.
_PREDICTED = (".csv", ".jsonl")
_TAGGED = (".parquet", ".jsonl")
_CONVERTED = (".csv", ".json")
_DOWNLOADED = ("voc2007", "coco2014")  # into a folder that need not exist
_PIPE_CLOSED = 141  # what a shell returns for a program ended by SIGPIPE
_INTERRUPTED = 130  # what a shell returns for a program ended by Ctrl-C
# Mistakes of users and faults of the machine; any other error is a bug.
_EXPECTED = (ValueError, ImportError, OSError, csv.Error, MemoryError, RecursionError)

# Importing TensorFlow takes seconds, so every command checks its paths and numbers
# first and then imports what it needs.

Run = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
# Strings, because a Path would turn gs:// into gs:/.
Images = Annotated[
    tuple[str, ...],
    tyro.conf.Positional,
    tyro.conf.arg(metavar="IMAGE|FOLDER [IMAGE|FOLDER ...]"),
]


class _ReadingFlags(ReadingOptions):
    """Holds flags that are not checked yet: tyro would not name the wrong one."""

    def __post_init__(self) -> None:
        pass


Reading = tyro.conf.OmitArgPrefixes[_ReadingFlags]
_DEFAULT_FLAGS = _ReadingFlags()
# The names in `kmlic.export.FORMATS`: the choices of a flag must be written out.
Format = Literal["saved_model", "tflite", "onnx", "openvino"]
Quantization = Literal["float16", "dynamic", "int8"]
Runtime = Literal[
    "keras", "saved_model", "tflite", "onnx", "openvino", "openvino_float32"
]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: the command line; None for that of this process.

    Returns:
        0; 1 if no image could be read or a dataset has errors; 2 if the command failed,
        after printing the reason in one sentence; 130 after Ctrl-C; 141 if nothing
        reads the output any more; 143 after SIGTERM.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        try:
            with on_sigterm():
                command = parse_escaped_first(_parse, arguments)
                with _known_messages_hidden():
                    result = command()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # What reads the output, such as `head`, has enough. Python flushes once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_CLOSED
    except SystemExit as stopped:
        if stopped.code != STOPPED:
            raise
        print("kmlic: stopped", file=sys.stderr)
        return STOPPED
    except KeyboardInterrupt:
        print("kmlic: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except Exception as error:
        # The error types of TensorFlow cannot be named without importing it.
        of_tensorflow = type(error).__module__.startswith("tensorflow.")
        if not (of_tensorflow or isinstance(error, _EXPECTED)):
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        print(f"kmlic: {escape_text(reason)}", file=sys.stderr)
        return 2
    return result or 0


@contextlib.contextmanager
def _known_messages_hidden() -> Iterator[None]:
    """Hides known messages until the end of a command, as broken images come late."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    given, original = sys.stderr, sys.__stderr__
    if original is not None and given is original:
        # What Python writes is not looked at: a progress bar is no line. This file is
        # never closed, because loggers that are made meanwhile keep it.
        sys.stderr = open(  # noqa: SIM115
            os.dup(original.fileno()),
            "w",
            buffering=1,
            encoding=original.encoding,
            errors=original.errors,
            closefd=False,
        )
    try:
        with hide_known_messages():
            yield
    finally:
        sys.stderr = given


def _parse(arguments: list[str]) -> Callable[[], int | None]:
    """Returns the command that is called for, with its arguments."""
    if arguments[:2] == ["data", "convert"]:
        convert: Callable[[], int | None] = tyro.cli(
            _with_limits(data_convert),
            prog="kmlic data convert",
            args=arguments[2:],
            use_underscores=True,
        )
        return convert
    commands = (train, data, predict, evaluate, compare, export, demo, push)
    command: Callable[[], int | None] = tyro.extras.subcommand_cli_from_dict(
        {command.__name__: _with_limits(command) for command in commands},
        prog="kmlic",
        description="Multi-label image classification.",
        args=arguments,
        use_underscores=True,
    )
    return command


def _with_limits(
    command: Callable[..., int | None],
) -> Callable[..., Callable[[], int | None]]:
    """Makes a command refuse numbers that are out of the limits in their types."""
    hints = typing.get_type_hints(command, include_extras=True)

    @functools.wraps(command)
    def bind(*arguments: Any, **options: Any) -> Callable[[], int | None]:
        for name, value in options.items():
            if isinstance(value, _ReadingFlags):
                options[name] = ReadingOptions(**vars(value))
        values = inspect.signature(command).bind(*arguments, **options).arguments
        check_limits(hints, values)
        return functools.partial(command, *arguments, **options)

    return bind


def train(
    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")],
    *,
    folder: Path = Path("saved_models/classifier"),
    minutes: Minutes = 15.0,
    backbone: str = "auto",
    weights: str | None = "imagenet",
    image_size: Annotated[int, Limits(at_least=32, at_most=1024)] | None = None,
    models: tuple[ModelName, ...] = ("auto",),
    loss: Literal["auto"] | LossName = "auto",
    positive_weights: PositiveWeights = "none",
    metric: Metric | None = None,
    groups: Path | None = None,
    test: str | None = None,
    fractions: tuple[Fraction, Fraction, Fraction] | None = None,
    reading: Reading = _DEFAULT_FLAGS,
    on_error: Literal["raise", "skip"] = "raise",
    max_bytes: ImageBytes = MAX_BYTES,
    max_pixels: ImagePixels = MAX_PIXELS,
    precision: Precision = "auto",
    seed: Seed = 0,
    log: LogName = "none",
) -> None:
    """Trains the best classifier that images and time allow, and exports it.

    On the images and by the metric that it is chosen by, it is never below logistic
    regression on the backbone's features. An interrupted training goes on when the same
    command is given again, from the hidden folder .NAME.stages beside the run's. That
    is removed at the end, unless more minutes would be used: then the same command with
    more of them goes on from it.

    Args:
        data: a CSV, TSV or Parquet file, COCO's JSON, Pascal VOC's folder, a folder of
            images, or the name of a dataset such as street_fashion. The columns x1,
            y1, x2 and y2 of a CSV are cut out of each image.
        folder: the run's folder, for kmlic predict, evaluate and export. It may hold a
            run of the same data and options, minutes and log aside, which is replaced.
        minutes: from the first image to the report; the start of TensorFlow comes on
            top, and whatever other work the machine has meanwhile.
        backbone: name of a backbone; auto is efficientnet_lite0.
        weights: of the backbone: imagenet, a file, or None for random ones.
        image_size: side in pixels that images are resized to, 32 to 1024; as the
            minutes allow when left out.
        models: which models are compared with logistic regression, which always is
            one: auto for all for which images and minutes suffice; peaks lets places
            of the image count where a label is seen best; fine_tuned trains the upper
            part of the backbone.
        loss: of fine-tuning; auto is cross-entropy.
        positive_weights: of fine-tuning, for rare labels: none, frequency (images
            without a label over images with it) or effective (closer to 1).
        metric: what models are compared by; when left out accuracy where there are
            exclusive groups, else mAP.
        groups: JSON file that puts every label into one group, of whose labels an image
            has exactly one: {"size": ["small", "large"], "kind": ["tree", "bush"]}.
        test: images for the test alone, in any form that DATA takes; else those of
            DATA's column split, or a fifth of its images.
        fractions: of training, validation and test images, where DATA has no splits;
            when left out 0.7, 0.1 and 0.2, and no test images of fewer than 50.
        reading: how the files are read, as in kmlic data check; the root is the folder
            of a dataset with a name.
        on_error: raise names the images that cannot be read, skip leaves them out and
            counts them.
        max_bytes: largest size of an image file.
        max_pixels: largest width times height of an image.
        precision: of features and fine-tuning; auto is bfloat16 on a GPU that has it,
            else float32. The exported model computes in float32.
        seed: of splits, folds and trainings.
        log: where the values of each epoch of fine-tuning and the metrics of all stages
            are sent too: tensorboard writes them to NAME.log beside the run's folder,
            mlflow and wandb where their own environment variables say. Needs the extra
            of that name.
    """
    require_writable(folder, folder_with=RECORD)
    require_paths(groups, *reading.paths)
    _require_path_or_dataset(data)
    for given in (test, weights):
        _require_path_or_name(given)
    exclusive = None if groups is None else read_groups(groups)
    from kmlic.classifier import ClassifierSettings
    from kmlic.classifier.describe_training import describe_training

    settings = ClassifierSettings(
        folder=folder,
        minutes=minutes,
        backbone=backbone,
        weights=weights,
        image_size=image_size,
        models=models,
        loss=loss,
        positive_weights=positive_weights,
        metric=metric,
        fractions=fractions,
        on_error=on_error,
        max_bytes=max_bytes,
        max_pixels=max_pixels,
        precision=precision,
        seed=seed,
        log=log,
    )
    settings.require_files()
    if exclusive is not None:
        settings.check_groups()
    if test is not None:
        settings.check_test()
    if data in DATASETS and not Path(data).exists():
        settings.check_dataset(test, groups)
    described = describe_training(
        data, settings, test=test, reading=reading, groups=exclusive
    )
    require_same_settings(folder, described)
    require_unclaimed(folder)
    console = make_console()
    name = escape_text(data)
    console.print(
        f"{name}: {minutes:g} {'minute' if minutes == 1 else 'minutes'}; starting",
        markup=False,
    )
    start_tensorflow()
    from kmlic.classifier import train_classifier

    train_classifier(
        data,
        settings,
        test=test,
        reading=reading,
        groups=exclusive,
        console=console,
    )


def data(
    action: Annotated[Literal["check", "convert"], tyro.conf.Positional],
    path: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="PATH")],
    *,
    reading: Reading = _DEFAULT_FLAGS,
    images: Literal["decode", "header", "none"] = "decode",
    near: Annotated[int, Limits(at_least=0, at_most=16)] | None = NEAR_BITS,
    splitting: str = "stratified",
    fractions: tuple[Fraction, Fraction, Fraction] | None = None,
    seed: Seed = 0,
    max_bytes: ImageBytes = MAX_BYTES,
    max_pixels: ImagePixels = MAX_PIXELS,
    write_splits: Path | None = None,
    report: Path | None = None,
    model: Path | None = None,
    fixes: Path | None = None,
) -> int:
    """Checks your own dataset before training: images, copies, labels and splits.

    With a trained model also which labels are probably missing or wrong, and which
    images it is least sure of. Exits with status 1 if there are errors.

    Args:
        action: check; or convert, which writes the dataset as CSV or COCO's JSON and
            has options of its own, see kmlic data convert --help.
        path: a CSV, TSV or Parquet file, a COCO JSON file, a Pascal VOC folder, or a
            folder of images; a file may be in a store, such as gs://.
        reading: how the files are read; what is left out is found in them.
        images: whether images are decoded, only their headers are read, or neither.
        near: number of bits, of 64, in which near-duplicate images may differ; None
            turns the search off.
        splitting: stratified, random, or a CSV with the columns path and split.
        fractions: of training, validation and test images, where there are no splits;
            when left out 0.7, 0.1 and 0.2, and no test images of fewer than 50.
        seed: seed of new splits.
        max_bytes: largest size of an image file.
        max_pixels: largest width times height of an image.
        write_splits: CSV file to write the splits to.
        report: HTML file to write the complete report to.
        model: run folder whose scores labels are compared with; those that kmlic train
            keeps are of images that the model was not fitted to. Needs the extra
            label_errors.
        fixes: CSV file to write the probable errors of the labels to; look at them,
            remove the rows that are no errors, and give the rest to data convert.
    """
    if action == "convert":
        raise ValueError("convert must follow data: kmlic data convert IN OUT.")
    for written, suffix in ((write_splits, ".csv"), (report, ".html"), (fixes, ".csv")):
        if written is not None:
            read = (path, *reading.paths, splitting)
            require_writable(written, suffixes=(suffix,), inputs=read)
    require_paths(path, *reading.paths)
    if fixes is not None and model is None:
        raise ValueError(f"`fixes` must come with a model; got fixes={fixes}.")
    if model is not None:
        require_run(model, "labels.json")
        start_tensorflow()
    from kmlic.data_check import check_data

    check = check_data(
        path,
        reading,
        images=images,
        near=near,
        splitting=splitting,
        fractions=fractions,
        seed=seed,
        max_bytes=max_bytes,
        max_pixels=max_pixels,
        thumbnails=report is not None,
    )
    if model is not None and check.rows is not None:
        from kmlic.data.label_fixes import write_label_fixes
        from kmlic.experiments import check_labels

        found = check_labels(
            model, check.rows, max_bytes=max_bytes, max_pixels=max_pixels
        )
        check = check.with_findings(found.findings, found.galleries)
        if fixes is not None:
            write_label_fixes(fixes, found.fixes)
    _print_check(check)
    if write_splits is not None:
        check.write_splits(write_splits)
    if report is not None:
        check.write_report(report)
    return int(check.has_errors)


def data_convert(
    path: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="IN")],
    output: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")],
    *,
    reading: Reading = _DEFAULT_FLAGS,
    copy_images: Path | None = None,
    fixes: Path | None = None,
) -> int:
    """Writes a dataset of any layout as kmlic's CSV or COCO's JSON.

    Splits, groups, captions and unknown labels are kept; what is not is printed. The
    exit status is 1 if rows break a rule or none of the images exists.

    Args:
        path: the dataset, as in kmlic data check.
        output: the file to write: .csv, or .json for COCO's format, which keeps boxes.
            Paths in it are relative to its folder if the images are below that.
        reading: how the files are read; what is left out is found in them.
        copy_images: new folder to copy the images to; they stay where they are when
            left out.
        fixes: CSV file of corrections of labels, as kmlic data check --model writes it,
            to apply first.
    """
    require_writable(output, suffixes=_CONVERTED, inputs=(path, *reading.paths, fixes))
    require_paths(path, *reading.paths, fixes)
    from kmlic.data.convert_listing import convert_listing
    from kmlic.data.read_listing import read_with_boxes

    console = make_console()
    listing = read_with_boxes(path, reading)
    _print_findings(listing.findings, console)
    listing.require_no_errors()
    if fixes is not None:
        from kmlic.data.label_fixes import apply_label_fixes

        listing, changed = apply_label_fixes(listing, fixes)
        console.print(
            f"{fixes}: {count_noun(changed, 'label')} changed.", soft_wrap=True
        )
    written, left_out = convert_listing(listing, output, copy_images=copy_images)
    _print_findings(left_out, console)
    console.print(f"{output}: {count_noun(written, 'image')}.", soft_wrap=True)
    return int(any(finding.level == "error" for finding in left_out))


def _print_check(check: "DataCheck") -> None:
    console = make_console()
    for name, text in check.facts.items():
        console.print(f"{name}: {text}", soft_wrap=True)
    table = Table()
    table.add_column(check.LABEL_HEADER[0], overflow="fold")
    for column in check.LABEL_HEADER[1:]:
        table.add_column(column, justify="right")
    for cells in check.labels[:_SHOWN_LABELS]:
        table.add_row(*cells)
    console.print(table)
    if len(check.labels) > _SHOWN_LABELS:
        more = f"... and {len(check.labels) - _SHOWN_LABELS:,} more labels"
        console.print(f"{more}: --report lists up to 1,000")
    _print_findings(check.findings, console)
    console.print(f"\n{check.verdict}", style="bold")


def _print_findings(findings: "Iterable[Finding]", console: "Console") -> None:
    for finding in findings:
        console.print(
            f"{finding.level}: {finding.title}: {finding.count:,}. {finding.text}",
            style={"error": "bold red", "warning": "yellow"}.get(finding.level),
        )
        for row in finding.rows[:_SHOWN]:
            console.print("  " + " | ".join(row), soft_wrap=True)
        if len(finding.rows) > _SHOWN:
            console.print(f"  ... and {len(finding.rows) - _SHOWN:,} more")


def predict(
    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")],
    images: Images,
    *,
    output: str | None = None,
    threshold: Fraction | None = None,
    top_k: Count | None = None,
    labels: str | None = None,
    word_vectors: str | None = None,
    text_model: str | None = None,
    boxes: Path | None = None,
    maps: Path | None = None,
    on_error: Literal["skip", "raise"] = "skip",
    batch_size: BatchSize = 32,
    runtime: Runtime | Literal["auto"] = "auto",
    runner: str | None = None,
    runner_options: str = "",
    reading: Reading = _DEFAULT_FLAGS,
    max_bytes: ImageBytes = MAX_BYTES,
    max_pixels: ImagePixels = MAX_PIXELS,
    guard: bool = True,
) -> int:
    """Prints the labels of images, or writes them as CSV or JSON lines.

    Args:
        run: run folder with model.keras and labels.json, or hf://user/name; left out
            with text_model.
        images: image files, folders that are searched with their subfolders, and files
            that kmlic data check reads, for the images that they list.
        output: file to write instead of printing a table: .csv or .jsonl.
        threshold: probability from which a label counts as present; by default each
            label's own.
        top_k: number of most probable labels to return for an image, also of those
            below their own thresholds; with threshold, and of exclusive groups, at most
            so many of the labels that are predicted.
        labels: names to score instead of the run's labels, whether or not the model was
            trained on them, separated by commas: "tiger, harbour". A score is a cosine,
            -1 to 1.
        word_vectors: word vectors of those names: a word2vec or GloVe file, or a name
            of gensim.downloader; by default words.npz of the run.
        text_model: scores the names of labels without a run, by a preset of keras-hub
            that compares images with texts: keras_hub:siglip2_base_patch16_224 or
            another of SigLIP or CLIP, or its folder. A score of SigLIP is a
            probability; those of CLIP, 0-1 too, order names, but 0.5 is no calibrated
            threshold.
        boxes: CSV with the columns path (relative to it), x1, y1, x2 and y2: a box to
            cut out of each image first, with the margin that the run was trained with.
        maps: folder to write heat maps to: one picture per image and predicted label,
            and maps.csv, which lists them. It replaces the maps of an earlier call; a
            folder with any other file is refused. Needs the runtime keras.
        on_error: whether a broken image is listed or stops the command.
        batch_size: images per batch.
        runtime: keras loads the model, all others load what kmlic export wrote;
            openvino computes in bfloat16 or float32, whichever is faster. auto takes an
            ONNX, LiteRT or OpenVINO export whose float32 probabilities are within 1e-4
            of the model's as run.json records, because it starts without TensorFlow,
            else keras; with a runner saved_model.
        runner: Apache Beam runner, for any number of images: DirectRunner,
            DataflowRunner, FlinkRunner, SparkRunner. It also reads TFRecords and stores
            such as gs://, and writes .parquet or .jsonl; broken images are written to
            separate files.
        runner_options: Beam options without their dashes: "direct_num_workers=2
            direct_running_mode=multi_processing".
        reading: how files that list images are read, as in kmlic data check.
        max_bytes: largest size of an image file.
        max_pixels: largest width times height of an image.
        guard: puts an apostrophe before a name in a CSV that a spreadsheet would run as
            a formula, because it starts with = + - @.
    """
    require_paths(*reading.paths, boxes)
    _require_path_or_name(word_vectors)
    names = None if labels is None else _parse_names(labels)
    if text_model is not None:
        others = {"word_vectors": word_vectors, "runner": runner, "maps": maps}
        _check_text_model(text_model, run, labels, others)
        images = (run, *images)
    elif names is not None and "://" not in run and not Path(run).is_dir():
        raise ValueError(
            "`labels` must come with a run folder or with text_model, such as "
            f"keras_hub:siglip2_base_patch16_224; got run={run}."
        )
    if not images:
        raise ValueError("`images` must name at least one image or folder; got none.")
    read = (*images, *reading.paths, boxes, word_vectors)
    if output is not None and "://" not in output:
        suffixes = _PREDICTED if runner is None else _TAGGED
        require_writable(output, suffixes=suffixes, inputs=read)
    if text_model is None and "://" not in run:
        require_run(run)  # said before what is wrong with the images
    if any(Path(path).suffix for path in images):
        from kmlic.predict.listed_images import listed_images

        images = tuple(listed_images(images, reading))
    run = run if text_model else _downloaded(run)
    limits: FileLimits = {"max_bytes": max_bytes, "max_pixels": max_pixels}
    if runner is not None:
        others = {"labels": labels, "boxes": boxes, "maps": maps, "on_error": on_error}
        output = _check_runner(output, others)
        start_tensorflow()
        from kmlic.predict.tag_images import tag_images

        count, broken = tag_images(
            run,
            images,
            output,
            runtime="saved_model" if runtime == "auto" else runtime,
            threshold=threshold,
            top_k=top_k,
            batch_size=batch_size,
            runner=runner,
            options=[f"--{option}" for option in shlex.split(runner_options)],
            **limits,
        )
        print(f"{output}: {count_noun(count, 'image')}, {broken} of them broken.")
        return int(0 < count == broken)  # not every runner tells how many there were
    if output is not None:  # nor may it be an image that a table lists
        require_writable(output, inputs=images)
    if maps is not None:
        if labels is not None or runtime not in ("auto", "keras"):
            raise ValueError(
                "`maps` must come without labels and with the runtime keras; got "
                f"labels={labels} and runtime={runtime}."
            )
        require_writable(maps, folder_with="maps.csv", column="map", inputs=read)
    paths = list_images(images)
    if text_model is None:
        require_run(run, "labels.json")
    from kmlic.predict import predict_paths

    if names is None:
        model, scorer = _load_scorer(run, runtime, maps is not None)
    else:
        model, scorer = (
            None,
            _load_open_scorer(run, runtime, names, text_model, word_vectors),
        )
        if top_k is None and threshold is None:
            top_k = len(names)  # because no score says for sure that one is present
    parts = None if boxes is None else _read_boxes(boxes, None if text_model else run)
    started = time.monotonic()
    rows = predict_paths(
        scorer,
        paths,
        boxes=parts,
        threshold=threshold,
        top_k=top_k,
        on_error=on_error,
        batch_size=batch_size,
        show_progress=len(paths) > batch_size,
        **limits,
    )
    if model is not None and maps is not None:
        from kmlic.predict import write_maps

        rows = write_maps(model, scorer.labels, rows, maps, boxes=parts, **limits)
    console = make_console()
    count, broken = _show_predictions(rows, output, scorer.labels, guard, console)
    if count > batch_size:
        rate = count / (time.monotonic() - started)
        console.print(f"{count:,} images, {rate:.0f} per second.")
    if maps is not None:
        console.print(f"{maps}: maps of the predicted labels.", soft_wrap=True)
    if output is None and labels is None:
        console.print(_describe_rule(scorer.labels, threshold, top_k), soft_wrap=True)
    return int(broken == count)


def _check_text_model(
    text_model: str, run: str, labels: str | None, others: Mapping[str, object]
) -> None:
    """Refuses options that do not fit a model of images and texts."""
    require_preset(text_model, argument="text_model")
    given = [name for name, value in others.items() if value is not None]
    if labels is None or given:
        raise ValueError(
            "`text_model` must come with labels, and without word_vectors, runner and "
            f"maps; got labels={labels} and {' '.join(given) or 'no other'}."
        )
    if run.startswith("hf://") or (Path(run) / "labels.json").exists():
        raise ValueError(
            f"`text_model` must come without a run; got {run}. Name only images."
        )


def _check_runner(output: str | None, others: Mapping[str, object]) -> str:
    """Refuses options that do not fit a runner of Apache Beam; returns the output."""
    given = [name for name, value in others.items() if value not in (None, "skip")]
    if output is None or given:
        raise ValueError(
            "`runner` must come with output, and without labels, boxes, maps and "
            f"on_error; got output={output} and {' '.join(given) or 'no other'}."
        )
    return output


def _show_predictions(
    rows: "Iterable[Prediction]",
    output: str | None,
    labels: "Labels",
    guard: bool,
    console: "Console",
) -> tuple[int, int]:
    """Prints or writes predictions; returns how many, and how many are broken."""
    from kmlic.predict import write_predictions

    if output is None:
        table, count, broken = _prediction_table(rows, labels)
        console.print(table)
        return count, broken
    count, broken, escaped = write_predictions(rows, output, labels, guard=guard)
    text = f"{output}: {count_noun(count, 'image')}, {broken} of them broken."
    if escaped:
        text += f" {count_noun(escaped, 'file name')} not in UTF-8: written escaped."
    console.print(text, soft_wrap=True)
    return count, broken


def _load_scorer(
    run: str, runtime: Runtime | Literal["auto"], with_maps: bool
) -> "tuple[keras.Model | None, Scorer]":
    """Returns what scores images, and the model itself where maps are wanted."""
    from kmlic.predict import choose_runtime, load_scorer
    from kmlic.predict.scorer import Scorer

    if not with_maps:
        chosen = choose_runtime(run) if runtime == "auto" else runtime
        return None, load_scorer(run, runtime=chosen)
    start_tensorflow()
    from kmlic.predict import load_run

    model, labels = load_run(run)
    return model, Scorer.of_model(model, labels)


def _load_open_scorer(
    run: str,
    runtime: Runtime | Literal["auto"],
    names: list[str],
    text_model: str | None,
    word_vectors: str | None,
) -> "Scorer":
    """Returns what scores images for labels that the model was not trained on."""
    if runtime not in ("auto", "keras"):
        raise ValueError(
            "`runtime` must be keras to score other labels than the run's; got "
            f"runtime={runtime!r}."
        )
    if text_model is not None:
        start_tensorflow()
        from kmlic.predict import load_image_text_model

        return load_image_text_model(text_model, names).scorer()
    require_run(run, "model.keras")
    from kmlic.predict import load_run_words

    words = load_run_words(run, word_vectors)
    start_tensorflow()
    from kmlic.predict import OpenVocabulary, load_run

    return OpenVocabulary(*load_run(run), names, words).scorer()


def _parse_names(labels: str) -> list[str]:
    """Returns the names of labels that are separated by commas."""
    from kmlic.labels import Labels

    names = [name.strip() for name in labels.split(",")]
    if not all(names):
        raise ValueError(
            "`labels` must name at least one label, with a comma between two; got "
            f"labels={labels!r}."
        )
    Labels(tuple(names))  # refuses repeated ones
    return names


def _read_boxes(boxes: Path, run: str | None) -> "dict[str, Box]":
    """Reads boxes with the margin that a run was trained with, if there is one."""
    from kmlic.predict import read_boxes

    if run is None:
        return read_boxes(boxes)
    record = Path(run) / RECORD
    seeds = Record.read(record).data.get("seeds", {}) if record.exists() else {}
    spec = next((each["spec"] for each in seeds.values()), None) or {"options": {}}
    margin = spec["options"].get("margin", 0.0)
    if not isinstance(margin, int | float):
        raise ValueError(f"{record} must record a margin; got {margin!r}.")
    return read_boxes(boxes, margin=margin)


def _describe_rule(labels: "Labels", threshold: float | None, top_k: int | None) -> str:
    """Says which labels of an image were printed."""
    most = "" if top_k is None else f", at most {count_noun(top_k, 'label')} per image"
    rule = labels.describe_thresholds()
    if labels.exclusive:
        rule += "" if threshold is None else f" if it reaches {threshold:g}"
    elif threshold is not None:
        rule = f"a threshold of {threshold:g} for every label"
    elif top_k is not None:
        shown = count_noun(min(top_k, len(labels)), "label")
        return f"Shown per image: {shown}, the most probable at any threshold."
    return f"Labels are predicted by {rule}{most}."


def evaluate(
    run: Run,
    dataset: Annotated[
        str | None, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")
    ] = None,
    /,
    *,
    split: Literal["train", "validation", "test", "all"] = "test",
    data_dir: str | None = None,
    reading: Reading = _DEFAULT_FLAGS,
    batch_size: BatchSize | None = None,
    runtime: Runtime = "keras",
    max_bytes: ImageBytes | None = None,
    max_pixels: ImagePixels | None = None,
) -> None:
    """Prints a run's metrics on a dataset, and the average precision of each label.

    Images that the model was trained on are left out and counted, unless the split
    train is asked for. The metrics are also added to run.json and report.html.

    Args:
        run: run folder with run.json, model.keras and labels.json.
        dataset: another dataset: a path as in kmlic data check, or a name, such as
            voc2007; the run's own when left out.
        split: which images; all takes every one of another dataset.
        data_dir: folder of a dataset with a name, or the run's own dataset where it has
            moved.
        reading: how a path is read, as in kmlic data check.
        batch_size: images per batch; as in the training when left out.
        runtime: what runs the model, as in kmlic predict.
        max_bytes: largest size of an image file; when left out the default of kmlic
            data check, or as in the training for the run's own dataset.
        max_pixels: largest width times height of an image; likewise.
    """
    require_run(run, "run.json", "labels.json")
    require_paths(data_dir if dataset not in _DOWNLOADED else None, *reading.paths)
    if dataset is not None:
        _require_path_or_dataset(dataset)
    start_tensorflow()
    from kmlic.evaluation import comparison_table
    from kmlic.experiments import evaluate_run, record_evaluation

    limits = {"max_bytes": max_bytes, "max_pixels": max_pixels}
    report = evaluate_run(
        run,
        dataset,
        data_dir=data_dir,
        split=split,
        batch_size=batch_size,
        runtime=runtime,
        reading=reading,
        **{key: limit for key, limit in limits.items() if limit is not None},
    )
    console = make_console()
    part = "all splits" if split == "all" else f"the {split} split"
    title = f"{run}, {count_noun(report.images, 'image')} of {part}, in percent"
    console.print(title, soft_wrap=True)
    console.print(comparison_table({run.name: report}))
    for line in report.notes():
        console.print(line, soft_wrap=True)
    try:
        record_evaluation(run, report, data=dataset or "", split=split, runtime=runtime)
    except (ValueError, OSError) as error:  # a folder that only others may write
        text = f"Not added to {run / RECORD}: {error}"
        console.print(escape_text(text), soft_wrap=True, markup=False)


def compare(
    runs: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="RUN RUN [RUN ...] [DATA]"),
    ],
    *,
    split: Literal["train", "validation", "test", "all"] | None = None,
    output: Path | None = None,
    data_dir: str | None = None,
    reading: Reading = _DEFAULT_FLAGS,
    batch_size: BatchSize | None = None,
    runtime: Runtime = "keras",
) -> None:
    """Compares runs on the same images, and says whether they can be told apart.

    Images that one of the models was trained on are left out and counted. Differences
    are paired: both runs score the same images in each of 1,000 draws.

    Args:
        runs: run folders, the first of which the others are compared with; then the
            dataset, as in kmlic evaluate, if it is not that of the runs.
        split: which images; when left out all of a dataset, or the runs' own test
            images.
        output: JSON file to write the comparison to.
        data_dir: as in kmlic evaluate.
        reading: how a path is read, as in kmlic data check.
        batch_size: images per batch; as in the training when left out.
        runtime: what runs the models, as in kmlic predict.
    """
    *folders, last = runs
    dataset = None if (Path(last) / RECORD).is_file() else last
    folders += [] if dataset else [last]
    if len(folders) < 2:
        raise ValueError(f"`runs` must be at least two run folders; got {runs}.")
    for folder in folders:
        require_run(folder, RECORD, "labels.json")
    if dataset is not None:
        _require_path_or_dataset(dataset)
    require_paths(data_dir if dataset not in _DOWNLOADED else None, *reading.paths)
    if output is not None:
        read = (dataset, *reading.paths)
        require_writable(output, suffixes=(".json",), inputs=read)
    start_tensorflow()
    from kmlic.experiments import compare_runs

    split = split or ("all" if dataset else "test")
    found = compare_runs(
        folders,
        dataset,
        data_dir=data_dir,
        split=split,
        batch_size=batch_size,
        runtime=runtime,
        reading=reading,
    )
    console = make_console()
    console.print(
        f"{count_noun(found.images, 'image')}, "
        f"{count_noun(len(found.labels), 'label')}, in percent with 95 % intervals",
        soft_wrap=True,
    )
    table = Table()
    table.add_column("run", overflow="fold")
    names = list(found.metrics[folders[0]])
    for name in names:
        table.add_column(name, justify="right")
    for folder, metrics in found.metrics.items():
        table.add_row(escape_text(folder), *(str(metrics[name]) for name in names))
    console.print(table)
    for line in found.notes():
        console.print(line, soft_wrap=True)
    if output is not None:
        found.write(output)


def export(
    run: Run,
    *,
    formats: tuple[Format, ...] = ("saved_model", "tflite"),
    quantize: tuple[Quantization, ...] = (),
    images: tuple[Path, ...] = (),
    maps: bool = False,
    embeddings: bool = False,
    warm_up: bool | None = None,
    max_bytes: ImageBytes = MAX_BYTES,
    max_pixels: ImagePixels = MAX_PIXELS,
    compare: bool = False,
    dataset: str | None = None,
    data_dir: Path | None = None,
    split: Literal["train", "validation", "test"] | None = None,
) -> None:
    """Exports a run's model and compares every export with it.

    Args:
        run: run folder with model.keras and labels.json.
        formats: formats of float32 exports: saved_model for TF Serving, tflite for
            LiteRT; onnx and openvino need the extras of these names.
        quantize: additional LiteRT exports with smaller weights.
        images: image files and folders to compare on; by default the dataset's.
        maps: also return one map per label, for models that have maps.
        embeddings: return embeddings instead of probabilities, for models trained on
            word vectors; exports are written below the folder embedding.
        warm_up: whether a SavedModel stores requests that TF Serving answers at its
            start; by default if the extra serving is installed.
        max_bytes: largest file that serve_bytes decodes.
        max_pixels: largest width times height of an image that serve_bytes decodes.
        compare: also measure size, latency and, on the dataset, mean average precision,
            of the exports and of the model, and add them to report.html.
        dataset: another dataset, as in kmlic evaluate; by default the run's.
        data_dir: folder of the dataset; by default the run's.
        split: the split whose images are used; when left out validation, or test for a
            run of kmlic train, whose model is fitted to validation images too.
    """
    require_run(run, "model.keras", "labels.json")
    require_writable(run / RECORD)
    listed = list_images(images) if images else []
    if not listed:
        require_run(run, "run.json")
        require_paths(data_dir if dataset not in _DOWNLOADED else None)
        if dataset is not None:
            _require_path_or_dataset(dataset)
    from kmlic.export.formats import FORMATS

    for format in formats:
        chosen = FORMATS[format]
        chosen.require_replaceable(
            chosen.new_path(run / "embedding" if embeddings else run)
        )
    start_tensorflow()
    from kmlic.experiments import export_run
    from kmlic.experiments.load_split import unseen_split

    if not images:
        split = split or unseen_split(run)
    exports = export_run(
        run,
        formats=formats,
        quantize=quantize,
        images=listed,
        maps=maps,
        embeddings=embeddings,
        warm_up=warm_up,
        max_bytes=max_bytes,
        max_pixels=max_pixels,
        compare=compare,
        dataset=dataset,
        data_dir=data_dir,
        split=split,
        show_progress=True,
    )
    table = Table(title=f"Exports of {run}")
    table.add_column("export", no_wrap=True)
    scored = compare and not images and not embeddings
    measured = ["MB", "ms per image", "images per second"] * compare
    columns = ["largest difference", *measured]
    for column in columns + [f"mAP, {split}"] * scored:
        table.add_column(column, justify="right")
    for each in exports:
        cells = [f"{each.difference:.1e}"]
        cells += [f"{each.megabytes:.1f}", f"{each.milliseconds:.1f}"] * compare
        cells += [f"{1000 / each.milliseconds:.0f}"] * compare
        cells += [f"{100 * each.mean_average_precision:.2f}"] * scored
        table.add_row(each.name_in(run), *cells)
    make_console().print(table)


def demo(
    runs: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="RUN [RUN ...]"),
    ],
    *,
    runtime: Runtime = "keras",
    host: str = "127.0.0.1",
    port: Annotated[int, Limits(at_least=1, at_most=65535)] = 7860,
    examples: tuple[Path, ...] = (),
    max_bytes: ImageBytes = MAX_BYTES,
    max_pixels: ImagePixels = MAX_PIXELS,
) -> None:
    """Serves a page to drop images on: labels, probabilities, thresholds and maps.

    Needs the extra demo. It ends with Ctrl-C.

    Args:
        runs: run folders or hf://user/name, which are shown side by side.
        runtime: what runs the models, as in kmlic predict; maps need keras.
        host: address to listen on. By default only this machine sees the page; 0.0.0.0
            shows it, without a password, to everybody who reaches this machine.
        port: to listen on.
        examples: image files and folders to try it on, of which the first twelve that
            are no broken images are shown.
        max_bytes: largest size of an image file.
        max_pixels: largest width times height of an image.
    """
    if not runs:
        raise ValueError("`runs` must be at least one run folder; got none.")
    folders = [_downloaded(run) for run in runs]
    for run in folders:
        require_run(run, "labels.json")
    shown = list_images(examples) if examples else []
    start_tensorflow()
    from kmlic.demo import DemoRun, serve_demo

    limits = {"max_bytes": max_bytes, "max_pixels": max_pixels}
    short = [Path(run).name for run in runs]
    names = short if len(set(short)) == len(runs) else list(runs)
    loaded = (DemoRun(each, runtime, **limits) for each in folders)
    serve_demo(
        dict(zip(names, loaded, strict=True)),
        host=host,
        port=port,
        examples=shown,
        max_bytes=max_bytes,
        on_ready=lambda address: make_console().print(
            f"{address} (Ctrl-C ends it)", soft_wrap=True
        ),
    )


def push(
    run: Run,
    address: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="ADDRESS")],
    *,
    public: bool = False,
) -> None:
    """Uploads a run's model, labels, exports and model card to the Hugging Face Hub.

    No image of the training, no path and no record of the machine goes there. Needs the
    extra hub and a token: hf auth login.

    Args:
        run: run folder; its README.md is the model card, written if it is missing.
        address: hf://user/name; kmlic predict and kmlic demo take it in place of RUN.
        public: whether a new repository is public.
    """
    require_run(run, "model.keras", "labels.json", RECORD)
    from kmlic.experiments.push_run import push_run

    url = push_run(run, address, public=public)
    make_console().print(
        f"{url}\nFill in the licence in {run / 'README.md'} and push again.",
        soft_wrap=True,
    )


def _require_path_or_name(given: str | None) -> None:
    """Refuses a path that cannot be read; what has no suffix can also be a name."""
    if given is not None:
        path = Path(given)
        if path.suffix or path.is_absolute() or path.exists():
            require_paths(given)


def _require_path_or_dataset(given: str) -> None:
    """Refuses what is neither a path that can be read nor the name of a dataset."""
    _require_path_or_name(given)
    if not (given in DATASETS or "://" in given or Path(given).exists()):
        raise ValueError(
            f"{given} must be a file, a folder or the name of a dataset; there is no "
            f"such file or folder, and the datasets are {', '.join(DATASETS)}."
        )


def _downloaded(run: str) -> str:
    """Returns the folder of a run, which is downloaded if it is an address."""
    if not run.startswith("hf://"):
        return run
    from kmlic.predict.download_run import download_run

    return str(download_run(run))


def _prediction_table(
    rows: "Iterable[Prediction]", labels: "Labels"
) -> tuple[Table, int, int]:
    # Folded, because the end of a path tells the images of a folder apart.
    table = Table()
    table.add_column("image", overflow="fold")
    table.add_column("labels", overflow="fold")
    broken = 0
    for row in rows:
        name = escape_text(str(row.path))
        if row.probabilities is None:
            broken += 1
            table.add_row(name, f"broken: {row.error}", style="red")
            continue
        scores = dict(zip(labels.names, row.probabilities, strict=True))
        found = (f"{name} {scores[name]:.2f}" for name in row.labels)
        table.add_row(name, ", ".join(found) or "none")
    return table, table.row_count, broken


if __name__ == "__main__":
    sys.exit(main())

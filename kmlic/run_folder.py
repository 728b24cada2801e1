"""The folder and the record of a run."""

import contextlib
import dataclasses
import datetime
import importlib.metadata
import json
import math
import os
import platform
import resource
import shlex
import subprocess
import sys
import typing
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from kmlic.atomic_write import (
    atomic_write,
    flush,
    follow_link,
    move_to,
    parents_of,
    recover,
    remove,
    require_creatable,
    require_writable,
)
from kmlic.claim import Claim

# Before the names of settings in whose place run.json has what was found.
ASKED = "asked_"
# Files of a run folder.
RECORD, REPORT, MODEL = "run.json", "report.html", "model.keras"
# Settings that may differ between a run and one that resumes or replaces it.
_FREE = ("folder", "log", "save_minutes")

# What reading a file of JSON raises that somebody has changed.
_MALFORMED = (ValueError, TypeError, AttributeError, RecursionError, OverflowError)


class _Spec(TypedDict):
    name: str
    path: str | None
    seed: int
    options: Mapping[str, Any]


class _Split(TypedDict):
    images: int
    fingerprint: str


class _TrainedOn(TypedDict):
    spec: _Spec | None
    splits: Mapping[str, _Split]


class _Exported(TypedDict):
    model: str
    seed: int


class _Data(TypedDict, total=False):
    """What kmlic reads of `Run.data`; earlier versions wrote less, or other keys."""

    name: str
    fingerprints: Mapping[str, str]
    sizes: Mapping[str, int]
    skipped: int
    scored: int
    seeds: Mapping[str, _TrainedOn]
    exported: _Exported | None


class Evaluation(TypedDict):
    """What `kmlic evaluate` computed: metric to value and interval, if it has one."""

    data: str
    split: str
    images: int
    runtime: str
    thresholds: str
    date: str
    metrics: Mapping[str, Mapping[str, float | None]]


class Measurement(TypedDict):
    """What `kmlic export --compare` measured of an export, or of the model."""

    milliseconds: float
    mAP: float | None
    split: str | None


@dataclasses.dataclass(frozen=True)
class Run:
    """Holds the content of run.json: what was run on which data, and its results.

    Args:
        recipe: name of the recipe.
        command: the command line.
        settings: every setting of the recipe.
        data: name, fingerprint by seed, sizes of the splits, number of skipped rows, of
            images scored before the test by models that were not fitted to them;
            by seed the spec that loads the exported model's images again, with the size
            and fingerprint of each split; which model was exported, of which seed.
        results: split to model to metric to mean over the seeds, for instance
            `results["test"]["msrn"]["mAP"]`.
        deviations: the same for the standard deviations; empty for one seed.
        seeds: seed as text to the results of that seed.
        tuned: split to exported model to metric to value at the thresholds in
            labels.json, which were tuned on the validation split.
        intervals: split to exported model to metric to its value at the thresholds in
            labels.json and the ends, low and high, of its 95 % interval.
        label_intervals: the same for the average precision of each label; a label that
            is missing has too few positives, or the same precision in every draw.
        per_label: split to model to label to average precision; null where a split
            has no positives.
        parameters: model to its number of weights.
        exports: file to the largest difference between its probabilities and the
            model's.
        measured: file, or model.keras, to what `kmlic export --compare` measured:
            median milliseconds of one image alone, and mAP on a split.
        evaluations: what `kmlic evaluate` computed, each dataset, split and runtime
            once; see `Evaluation`.
        seconds: wall-clock time by stage.
        weights: which weights were scored, saved and exported.
        peak_memory_gb: largest resident memory of the process, in 1e9 bytes.
        environment: versions, git commit and machine; of this process by default.
    """

    recipe: str
    command: str
    settings: Mapping[str, Any]
    data: Mapping[str, Any]
    results: Mapping[str, Mapping[str, Mapping[str, float | None]]]
    deviations: Mapping[str, Mapping[str, Mapping[str, float | None]]]
    seeds: Mapping[str, Mapping[str, Mapping[str, Mapping[str, float | None]]]]
    per_label: Mapping[str, Mapping[str, Mapping[str, float | None]]]
    parameters: Mapping[str, int]
    exports: Mapping[str, float]
    seconds: Mapping[str, float]
    tuned: Mapping[str, Mapping[str, Mapping[str, float | None]]] = dataclasses.field(
        default_factory=dict
    )
    intervals: Mapping[str, Mapping[str, Mapping[str, Mapping[str, float | None]]]] = (
        dataclasses.field(default_factory=dict)
    )
    label_intervals: Mapping[
        str, Mapping[str, Mapping[str, Mapping[str, float | None]]]
    ] = dataclasses.field(default_factory=dict)
    measured: Mapping[str, Measurement] = dataclasses.field(default_factory=dict)
    evaluations: Sequence[Evaluation] = dataclasses.field(default_factory=list)
    weights: str = "those of the epoch best on the validation split"
    peak_memory_gb: float = dataclasses.field(default_factory=lambda: peak_memory_gb())
    environment: Mapping[str, Any] = dataclasses.field(
        default_factory=lambda: describe_environment()
    )

    def write(self, path: str | Path) -> None:
        """Writes run.json atomically; numbers that are not finite become null."""
        content = nan_to_none(dataclasses.asdict(self))
        text = json.dumps(content, indent=1, default=str, allow_nan=False)
        with atomic_write(path) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: str | Path) -> "Run":
        """Reads run.json.

        Raises:
            ValueError: naming the file and the fields that are missing, unknown or of
                another type.
        """
        try:
            run = cls(**_require_fields(json.loads(Path(path).read_text("utf-8"))))
            for name, hint in typing.get_type_hints(cls).items():
                _check_type(name, getattr(run, name), hint)
            known = {k: v for k, v in run.data.items() if k in _Data.__annotations__}
            _check_type("data", known, _Data)
        except _MALFORMED as error:
            raise ValueError(
                f"{path} must be a run.json that kmlic wrote; got {error}."
            ) from error
        return run


class RunFolder:
    """Collects the files of a run in a hidden folder that becomes the final folder.

    The working folder is `.<name>.working` beside the final one. It holds the settings,
    `trainings`, whose saved states an interrupted run resumes from, and `draft`, which
    becomes the final folder. An earlier run in the final folder stays until then.

    From `begin` to `finish` no other process can begin the same run. A run that ends
    before anything is saved in `trainings` leaves nothing.

    Args:
        path: the final folder.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     folder = RunFolder(Path(parent) / "msrn")
        ...     _ = folder.begin({"epochs": 3})
        ...     _ = (folder.draft / "labels.json").write_text("{}")
        ...     folder.finish()
        ...     (Path(parent) / "msrn" / "labels.json").exists()
        True
    """

    def __init__(self, path: str | Path):
        self.path = follow_link(path)
        self.working = self.path.with_name(f".{self.path.name}.working")
        self.trainings = self.working / "trainings"
        self.draft = self.working / "draft"
        self.settings: Mapping[str, Any] = {}  # of `begin`
        self._end: Callable[[], object] = lambda: None

    def begin(self, settings: Mapping[str, Any]) -> bool:
        """Opens the working folder and returns whether it resumes an earlier run.

        Args:
            settings: what a run has in common with one that it resumes or replaces; a
                finished one has them in the settings of its run.json.

        Raises:
            ValueError: if the final folder has other content than a run, another
                process has begun this run, or the earlier run, interrupted or
                finished, had other settings, listing them.
        """
        require_writable(self.path, folder_with=RECORD)
        self._end()
        with contextlib.ExitStack() as stack:
            stack.enter_context(parents_of(self.path.absolute()))
            claim = stack.enter_context(claim_run(self.path))
            recover(self.path)
            require_same_settings(self.path, settings)
            self.settings = _comparable(settings)
            resumes = self._open(self.settings)
            stack.callback(_discard, self.working.absolute(), claim)
            # At the latest when the process ends, unless it is killed.
            self._end = weakref.finalize(self, _close, stack.pop_all(), os.getpid())
        return resumes

    def _open(self, settings: Mapping[str, Any]) -> bool:
        record = self.working / "settings.json"
        if record.exists() and _has_state(self.working):
            theirs = _comparable(json.loads(record.read_text()))
            changed = list_changes(theirs, settings)
            # `finish` moves the draft, and removes the rest afterwards.
            if changed and self.draft.exists():
                raise ValueError(
                    f"{self.working} holds an interrupted run with other settings "
                    f"({changed}). Use its settings to resume it, remove that folder "
                    "to start again, or choose another --folder."
                )
            if not changed:
                self.draft.mkdir(exist_ok=True)
                for entry in self.draft.iterdir():
                    remove(entry)
                return True
        self._remove_working()
        self.draft.mkdir(parents=True)
        with atomic_write(record) as temporary:
            temporary.write_text(json.dumps(settings, indent=1))
        return False

    def finish(self) -> None:
        """Moves the draft to the final path and removes the working folder."""
        flush(self.draft)
        require_writable(self.path, folder_with=RECORD)
        move_to(self.draft, self.path)
        self._remove_working()
        self._end()

    def _remove_working(self) -> None:
        # Renamed first: half of it must not be taken for an interrupted run.
        removed = self.working.with_suffix(".removed")
        remove(removed)
        if self.working.exists():
            self.working.rename(removed)
            remove(removed)


def require_same_settings(path: str | Path, settings: Mapping[str, Any]) -> None:
    """Refuses a run folder with a finished run of other settings.

    A folder with nothing but run.json, as repositories keep, has no model to lose.

    Args:
        path: the run folder; it may be missing.
        settings: those of the run that would replace it, see `changed_settings`.

    Raises:
        ValueError: naming the command of the run there, and what differs.

    Example:
        >>> require_same_settings("absent/run", {"epochs": 3})
    """
    record = Path(path) / RECORD
    if not record.exists() or all(
        each.name == RECORD or each.name.startswith(".")
        for each in record.parent.iterdir()
    ):
        return
    try:
        run = Run.read(record)
        command, changed = run.command, changed_settings(run, settings)
    except ValueError as error:
        command, changed = "an unknown command", str(error)
    if changed:
        raise ValueError(
            f"{path} must be new or hold a run with the same settings; it holds one of "
            f"{command} ({changed}): choose another --folder, or remove {path}."
        )


def changed_settings(run: Run, settings: Mapping[str, Any]) -> str:
    """Returns a text that lists the settings which a run has otherwise.

    Args:
        run: a finished one.
        settings: by name; what run.json holds beyond them is not compared.
    """
    mine = _comparable(settings)
    if missing := [name for name in mine if name not in run.settings]:
        return f"another recipe or version, which does not record {', '.join(missing)}"
    return list_changes({name: run.settings[name] for name in mine}, mine)


def seen_from(folder: str | Path, path: str | Path | None) -> str | None:
    """Returns a path as seen from a run's folder, alike in every working folder.

    Args:
        folder: of the run; it may be missing.
        path: of a file or folder; None stays, and so does one in a store.

    Example:
        >>> seen_from("runs/mine", "photos/labels.csv")
        '../../photos/labels.csv'
    """
    if path is None or "://" in str(path):
        return None if path is None else str(path)
    path = Path(path)
    return os.path.relpath(path.parent.resolve() / path.name, Path(folder).resolve())


def _comparable(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns settings as JSON holds them, without those that change no result."""
    found = json.loads(json.dumps(dict(settings), default=str))
    return {name: value for name, value in found.items() if name not in _FREE}


def _has_state(working: Path) -> bool:
    """Checks whether a complete file was saved in the trainings."""
    return any(
        path.is_file()
        for path in (working / "trainings").rglob("*")
        if not any(part.startswith(".") for part in path.relative_to(working).parts)
    )


def _discard(working: Path, claim: Claim) -> None:
    if claim.is_last and not _has_state(working):
        remove(working)


def _close(stack: contextlib.ExitStack, process: int) -> None:
    if os.getpid() == process:  # not in a fork of it
        stack.close()


def claim_run(path: str | Path) -> Claim:
    """Returns the claim on a run folder, which every process needs that writes to it.

    Args:
        path: the run folder; its parent must exist.

    Raises:
        ValueError: if the folder is there and cannot be written to.

    Example:
        >>> claim_run("/saved_models/msrn").path
        PosixPath('/saved_models/msrn')
    """
    if Path(path).is_dir():
        require_creatable(Path(path) / RECORD)
    # Absolute: the process may change its folder before the end.
    return Claim(follow_link(path).absolute())


def require_unclaimed(path: str | Path) -> None:
    """Refuses a run folder that another process is writing, as far as is known now.

    Args:
        path: the run folder; it and its parent may be missing.

    Raises:
        ValueError: naming the process.

    Example:
        >>> require_unclaimed("absent/run")
    """
    claim = claim_run(path)
    if claim.path.parent.is_dir():
        with claim:
            pass


def require_run(path: str | Path, *names: str) -> None:
    """Raises an error unless a path is a folder with the named files.

    Raises:
        ValueError: naming what is missing.
    """
    path = Path(path)
    if not path.is_dir():
        raise ValueError(f"{path} must be a run folder; there is no such folder.")
    missing = [name for name in names if not (path / name).is_file()]
    if missing:
        raise ValueError(
            f"{path} must be a run folder with {' and '.join(names)}; it lacks "
            f"{' and '.join(missing)}."
        )


def nan_to_none(value: Any) -> Any:
    """Replaces numbers that are not finite, which JSON cannot hold, by None.

    Args:
        value: mappings, lists and tuples of anything, nested.

    Example:
        >>> nan_to_none({"mAP": float("nan"), "losses": [0.5, float("inf")]})
        {'mAP': None, 'losses': [0.5, None]}
    """
    if isinstance(value, Mapping):
        return {key: nan_to_none(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [nan_to_none(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def none_to_nan(values: Mapping[str, float | None]) -> dict[str, float]:
    """Reads numbers that `nan_to_none` has written.

    Example:
        >>> none_to_nan({"mAP": None, "loss": 0.5})
        {'mAP': nan, 'loss': 0.5}
    """
    return {k: math.nan if value is None else value for k, value in values.items()}


def list_changes(theirs: Mapping[str, Any], mine: Mapping[str, Any]) -> str:
    """Returns a text that lists the settings which have changed, also nested ones.

    Args:
        theirs: earlier settings by name.
        mine: current settings by name.

    Example:
        >>> list_changes({"epochs": 2, "seed": 0}, {"epochs": 3, "seed": 0})
        'epochs: 2 there, 3 here'
    """
    changes = []
    for name in sorted({*mine, *theirs}):
        there, here = theirs.get(name), mine.get(name)
        if there == here:
            continue
        change = f"{there!r} there, {here!r} here"
        if isinstance(there, Mapping) and isinstance(here, Mapping):
            change = list_changes(there, here)
        changes.append(f"{name.removeprefix(ASKED)}: {change}")
    return "; ".join(changes)


def describe_environment() -> dict[str, Any]:
    """Returns the versions, the git commit and the machine that a run depends on."""
    versions = {"python": platform.python_version()}
    for package in ("kmlic", "keras", "tensorflow", "numpy", "spektral", "gensim"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return {
        "versions": versions,
        "commit": _git_commit(),
        "machine": {
            "system": platform.platform(),
            "cores": os.cpu_count(),
            "memory_gb": round(memory, 1),
        },
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def describe_command() -> str:
    """Returns the command line of this process, with its module after `-m`."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    module = spec.name.removesuffix(".__main__") if spec else ""
    program = ["python", "-m", module] if module else [Path(sys.argv[0]).name]
    return shlex.join([*program, *sys.argv[1:]])


def peak_memory_gb() -> float:
    """Returns the largest resident memory of this process so far, in 1e9 bytes."""
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # `ru_maxrss` includes the memory of the process that started this one; VmHWM does
    # not.
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text().splitlines()
        own = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
        kilobytes = int(own[0]) if own else kilobytes
    return round(kilobytes * 1024 / 1e9, 2)


def _require_fields(content: Any) -> dict[str, Any]:
    """Checks that the content of run.json has the fields of `Run`, and no others."""
    if not isinstance(content, dict):
        raise TypeError(f"a {type(content).__name__} instead of a JSON object")
    fields = {field.name: field for field in dataclasses.fields(Run)}
    for name in content:
        if name not in fields:
            raise ValueError(f"the unknown field {name!r}")
    for name, field in fields.items():
        required = field.default_factory is dataclasses.MISSING
        if required and name not in content:
            raise ValueError(f"no field {name!r}")
    return content


def _check_type(name: str, value: Any, hint: Any) -> None:
    import typeguard

    try:
        strategy = typeguard.CollectionCheckStrategy.ALL_ITEMS
        typeguard.check_type(value, hint, collection_check_strategy=strategy)
    except typeguard.TypeCheckError as error:
        raise TypeError(f"`{name}`: {error}") from error


def _git_commit() -> str | None:
    folder = Path(__file__).parent
    try:
        commit, changes = (
            subprocess.check_output(
                ["git", "-C", folder, *command.split()],
                stderr=subprocess.DEVNULL,
                text=True,
            ).strip()
            for command in ("rev-parse HEAD", "status --porcelain --untracked-files=no")
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit} with uncommitted changes" if changes else commit

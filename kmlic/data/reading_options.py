"""How a dataset of own images is read: the same options for every command."""

import dataclasses
from pathlib import Path
from typing import Any, Literal, get_args

from kmlic.check_choice import check_choice
from kmlic.check_limits import CountOrZero
from kmlic.check_number import check_number
from kmlic.run_folder import seen_from

Layout = Literal[
    "csv",
    "json_lines",
    "coco",
    "voc",
    "cvat",
    "label_studio",
    "fiftyone",
    "tables",
    "folders",
    "tags",
]
Blank = Literal["unknown", "absent"]
Difficult = Literal["unknown", "present", "absent"]


_CHOICES = {
    "layout": (None, *get_args(Layout)),
    "blank": get_args(Blank),
    "difficult": get_args(Difficult),
}


@dataclasses.dataclass(frozen=True)
class ReadingOptions:
    """Holds how the files of a dataset are read; one flag per field.

    `kmlic data check`, `kmlic train`, `kmlic evaluate`, `kmlic predict` and the recipes
    take all of them. What is left out is found in the files.

    Raises:
        ValueError: if an option is none of its choices, or the separator is empty.

    Example:
        >>> ReadingOptions(separator=",").changed
        {'separator': ','}
    """

    layout: Layout | None = None
    """How the path is read; found from the content of its files when left out."""
    root: str | None = None
    """Folder that the paths in a file are relative to; the file's own when left out."""
    path_column: str | None = None
    """Column of a table that names the images, such as image_id."""
    labels_column: str | None = None
    """Column of a table that lists the labels, such as tags."""
    group_column: str | None = None
    """Column of a table; images with the same value stay in one split."""
    separator: str | None = None
    """What separates labels in a cell, a text file or the name of a folder."""
    suffix: str = ""
    """Added to paths that have none, such as .jpg."""
    blank: Blank = "unknown"
    """What an empty cell of a column of one label counts as."""
    difficult: Difficult = "unknown"
    """What the difficult objects of Pascal VOC count as."""
    label_names: Path | None = None
    """Text file with one label per line, in the order of the model's outputs."""
    rename: Path | None = None
    """CSV with the columns old and new, or else two columns without a header; a label
    whose new name is empty is left out."""
    merge: bool = False
    """Makes labels that differ in case, spaces or hyphens only one label."""
    ignore_labels: tuple[str, ...] = ()
    """Labels to leave out; their images stay."""
    min_positives: CountOrZero = 0
    """Leaves out labels that fewer images have; their images stay."""

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            check_choice(name, getattr(self, name), *choices)
        # JSON, in which a run keeps its options, has lists and no paths.
        object.__setattr__(self, "ignore_labels", tuple(self.ignore_labels))
        for name in ("label_names", "rename"):
            if (path := getattr(self, name)) is not None:
                object.__setattr__(self, name, Path(path))
        check_number("min_positives", self.min_positives, at_least=0)
        if self.separator == "":
            raise ValueError("`separator` must be a text or None; got separator=''.")

    @property
    def paths(self) -> tuple[str | Path, ...]:
        """Returns the files and folders that must exist."""
        return tuple(
            path
            for path in (self.root, self.label_names, self.rename)
            if path is not None
        )

    def describe(self, folder: str | Path) -> dict[str, Any]:
        """Returns all options, with paths as seen from a run's folder."""
        names = ("root", "label_names", "rename")
        paths = {name: seen_from(folder, getattr(self, name)) for name in names}
        return {**dataclasses.asdict(self), **paths}

    @property
    def changed(self) -> dict[str, Any]:
        """Returns the options that are not the defaults, as JSON can hold them."""
        return {
            field.name: str(value) if isinstance(value, Path) else value
            for field in dataclasses.fields(self)
            if (value := getattr(self, field.name)) != field.default
        }

    @property
    def flags(self) -> list[str]:
        """Returns the words of a command line that reads files in the same way.

        Example:
            >>> ReadingOptions(separator=";", merge=True, ignore_labels=("a",)).flags
            ['--separator', ';', '--merge', '--ignore_labels', 'a']
        """
        words = []
        for name, value in self.changed.items():
            words.append(f"--{name}")
            if value is not True:
                words += map(str, value if isinstance(value, tuple) else [value])
        return words


DEFAULT_READING = ReadingOptions()

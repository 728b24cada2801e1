"""The image files that the names in a dataset's file mean."""

import bisect
import itertools
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from unicodedata import normalize
from urllib.parse import unquote

from kmlic.data.finding import Finding
from kmlic.data.image_row import ImageRow
from kmlic.data.storage import files_below, is_folder, join
from kmlic.list_images import SUFFIXES

# Names that are looked up before the whole folder is listed; fewer in a store.
_PROBES, _STORE_PROBES = 64, 4
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://[^/]*/|[a-zA-Z]:/")


class FoundImages(NamedTuple):
    """Holds where the images of a dataset are.

    Args:
        paths: one per name, relative to the root; the name where there is no file.
        problems: index of a name to the rule that it breaks.
        findings: a note about the names that are not paths themselves.
    """

    paths: list[str]
    problems: dict[int, str]
    findings: tuple[Finding, ...]


def find_images(
    names: Sequence[str], root: str | Path, *, suffix: str = ""
) -> FoundImages:
    r"""Finds the image files below a folder that names mean.

    A name may lack its suffix or the folders above it, begin with the name of the root,
    have a bucket or the folders of another machine in front, be written with
    backslashes, or in another normal form of Unicode than the file. A name whose
    folders are others than those of every file is not found.

    Args:
        names: of the images.
        root: the folder; may be in a store.
        suffix: added to names that have no image's suffix.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     (Path(folder) / "train").mkdir()
        ...     (Path(folder) / "train" / "7.jpg").touch()
        ...     find_images(["7", r"C:\photos\train\7.jpg"], folder).paths
        ['train/7.jpg', 'train/7.jpg']
    """
    plain = [_plain(name, root, suffix) for name in names]
    # The whole machine is not searched.
    searched = is_folder(root) and str(root).strip("/") != ""
    if _all_exist(plain, root) or not searched:
        return FoundImages(plain, {}, ())
    files = _Files(root)
    paths, problems, changed = [], {}, []
    for index, (name, given) in enumerate(zip(plain, names, strict=True)):
        found = files.find(name)
        added = name.startswith("/") and not given.startswith("/")
        paths.append(found[0] if found else given if added else name)
        if len(found) > 1:
            problems[index] = (
                f"an image must be named by one path; {given!r} may be {found[0]} or "
                f"{found[1]}"
            )
        elif found and found[0] != given:
            changed.append([given, found[0]])
    if not changed:
        return FoundImages(paths, problems, ())
    note = Finding(
        "note",
        "Image names completed to paths",
        "The files were found below the root; --root and --suffix say it otherwise.",
        ("name", "path"),
        changed,
    )
    return FoundImages(paths, problems, (note,))


def place_rows(
    rows: Sequence[ImageRow], root: str | Path, *, suffix: str = ""
) -> tuple[list[ImageRow], tuple[Finding, ...]]:
    """Returns rows with their paths completed by `find_images`, and its findings."""
    found = find_images([row.path for row in rows], root, suffix=suffix)
    placed = [
        row._replace(
            path=found.paths[index],
            problem=row.problem or found.problems.get(index, ""),
        )
        for index, row in enumerate(rows)
    ]
    return placed, found.findings


def has_image_suffix(name: str) -> bool:
    """Returns whether a name ends as image files do.

    Example:
        >>> has_image_suffix("a.JPG"), has_image_suffix("v1.2")
        (True, False)
    """
    return name.lower().endswith(SUFFIXES)


def _plain(name: str, root: str | Path, suffix: str) -> str:
    """Returns a name with slashes, without a store or drive other than the root's."""
    name = name.replace("\\", "/")
    top = f"{root}".rstrip("/") + "/"
    if "://" in top and name.startswith(top):
        name = name.removeprefix(top)
    elif match := _SCHEME.match(name):
        name = "/" + name[match.end() :]
        if "%" in name:
            name = unquote(name)
    if suffix and name and not has_image_suffix(name):
        name += suffix
    return name


def _all_exist(names: Sequence[str], root: str | Path) -> bool:
    store = "://" in f"{root}"
    probes = _STORE_PROBES if store else _PROBES
    accented = itertools.islice((n for n in names if not n.isascii()), probes)
    for name in (*names[:: max(1, len(names) // probes)], *accented):
        if "\0" in name or not has_image_suffix(name):
            return False
        if not store and not os.path.isfile(join(root, name)):  # noqa: PTH113 - never fails
            return False
    return True


class _Files:
    """Looks up image files by the ends of their paths, in logarithmic time."""

    def __init__(self, root: str | Path):
        self._top = f"{Path(root).absolute()}/"
        self._name = f"{Path(root).absolute().name}/"
        names = files_below(root).names
        self._paths = {name for name in names if has_image_suffix(name)}
        self._composed = {normalize("NFC", path): path for path in sorted(self._paths)}
        # The parts of each path from its last to its first, then the path.
        self._reversed: list[str] = []
        for composed, path in self._composed.items():
            end, *folders = reversed(composed.lower().split("/"))
            for name in (end, end.rpartition(".")[0]):
                self._reversed.append("/".join((name, *folders, f"\0{path}")))
        self._reversed.sort()

    def find(self, name: str) -> list[str]:
        """Returns the paths with most folders in common with a name, at most two."""
        name = name.removeprefix(self._top)
        for path in (name, name.removeprefix(self._name)):
            if path in self._paths:
                return [path]
            if (composed := normalize("NFC", path)) in self._composed:
                return [self._composed[composed]]
        lower = normalize("NFC", name).lower()
        parts = [part for part in lower.split("/") if part not in ("", ".")]
        if not parts or ".." in parts:
            return []
        parts.reverse()
        starts = ["/".join((*parts, ""))]
        if name.startswith("/"):  # a path of another machine, below any folder of it
            starts += [
                "/".join((*parts[:count], "\0"))
                for count in range(len(parts) - 1, 0, -1)
            ]
        return next(filter(None, map(self._with_start, starts)), [])

    def _with_start(self, start: str) -> list[str]:
        first = bisect.bisect_left(self._reversed, start)
        found = self._reversed[first : first + 2]
        return [each.rpartition("\0")[2] for each in found if each.startswith(start)]

"""Labels of a model: their names, groups and thresholds, and the image size."""

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kmlic.atomic_write import atomic_write
from kmlic.escape_text import escape_undecodable
from kmlic.labelled_arrays import require_same_names

# What reading a file of JSON raises that somebody has changed.
_MALFORMED = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,
    OverflowError,
)


@dataclass(frozen=True)
class Labels:
    """Holds the names of the labels in the order of a model's outputs.

    Args:
        names: one name per output, unique and not empty.
        groups: group name to the names of its labels, in order; None without groups.
        thresholds: probability 0-1 from which a label counts as present, one per
            label; empty for 0.5 each.
        image_size: side in pixels of the images a model was trained on, or None.
        exclusive: whether an image has exactly one label of each group. The groups must
            then contain every label once, at least two each, in the order of `names`;
            probabilities are a softmax within each group, and thresholds are not used.

    Raises:
        ValueError: if names repeat or are empty, a group has an unknown label,
            thresholds are not one probability per label, the image size is not
            positive, or exclusive groups do not contain every label once.

    Example:
        >>> labels = Labels(("dog", "sofa"), thresholds=(0.5, 0.3))
        >>> len(labels), labels.names[1], labels.thresholds[1]
        (2, 'sofa', 0.3)
    """

    names: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]] | None = None
    thresholds: tuple[float, ...] = field(default=())
    image_size: int | None = None
    exclusive: bool = False

    def __post_init__(self) -> None:
        names = tuple(self.names)
        if not names or not all(isinstance(n, str) and n.strip() for n in names):
            raise ValueError(f"`names` must be non-empty texts; got names={names}.")
        for name in names:
            if escape_undecodable(name) != name:
                raise ValueError(
                    f"`names` must be UTF-8; got {escape_undecodable(name)!r}. Rename "
                    "the folder or file that it comes from."
                )
        repeated = sorted(name for name, n in Counter(names).items() if n > 1)
        if repeated:
            raise ValueError(f"`names` must be unique; got {repeated} more than once.")
        thresholds = tuple(float(t) for t in self.thresholds or ())
        thresholds = thresholds or (0.5,) * len(names)
        if len(thresholds) != len(names):
            raise ValueError(
                f"`thresholds` must be one per label; got {len(thresholds)} for "
                f"{len(names)} labels."
            )
        if not all(0 <= threshold <= 1 for threshold in thresholds):
            raise ValueError(
                f"`thresholds` must be probabilities 0-1; got {thresholds}."
            )
        size = self.image_size
        if size is not None and (type(size) is not int or size < 1):
            raise ValueError(
                f"`image_size` must be a positive integer or None; got image_size="
                f"{size!r}."
            )
        groups = None
        if self.groups is not None:
            groups = {group: tuple(members) for group, members in self.groups.items()}
            known = set(names)
            for group, members in groups.items():
                unknown = sorted(set(members) - known)
                if unknown:
                    raise ValueError(
                        f"`groups` must hold known labels; got {unknown} in "
                        f"group {group!r}."
                    )
        if self.exclusive:
            _check_exclusive(names, groups or {})
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "thresholds", thresholds)
        object.__setattr__(self, "groups", groups)

    def __len__(self) -> int:
        return len(self.names)

    def __hash__(self) -> int:
        return hash(self.hash)

    @property
    def hash(self) -> str:
        """Returns the SHA-256 of names, groups, thresholds, size and exclusiveness."""
        text = json.dumps(self._content(), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def describe_thresholds(self) -> str:
        """Returns a phrase that says from which probability a label is predicted.

        Example:
            >>> Labels(("dog", "sofa"), thresholds=(0.5, 0.3)).describe_thresholds()
            "each label's own threshold, 0.30 to 0.50"
        """
        if self.exclusive:
            return "the most probable label of each group"
        low, high = min(self.thresholds), max(self.thresholds)
        if low == high:
            return f"a threshold of {low:.2g} for every label"
        return f"each label's own threshold, {low:.2f} to {high:.2f}"

    def indices(self, group: str) -> list[int]:
        """Returns the indices of the outputs of a group.

        Raises:
            ValueError: if the group is unknown.
        """
        if not self.groups or group not in self.groups:
            raise ValueError(
                f"`group` must be one of {list(self.groups or ())}; got {group!r}."
            )
        positions = {name: index for index, name in enumerate(self.names)}
        return [positions[name] for name in self.groups[group]]

    @property
    def exclusive_groups(self) -> dict[str, slice]:
        """Returns the outputs of each exclusive group; none without such groups."""
        if not self.exclusive:
            return {}
        groups = self.groups or {}
        ends = itertools.accumulate(len(members) for members in groups.values())
        return {
            group: slice(end - len(members), end)
            for (group, members), end in zip(groups.items(), ends, strict=True)
        }

    def predicted(self, probabilities: np.ndarray) -> np.ndarray:
        """Returns which labels are predicted: (N, L) probabilities to (N, L) bool.

        Those that reach their threshold, or the most probable one of each exclusive
        group.

        Example:
            >>> labels = Labels(("dog", "sofa"), thresholds=(0.5, 0.3))
            >>> labels.predicted(np.array([[0.4, 0.4]])).tolist()
            [[False, True]]
        """
        probabilities = np.asarray(probabilities)
        if not self.exclusive:
            return probabilities >= np.asarray(self.thresholds, probabilities.dtype)
        predicted = np.zeros(probabilities.shape, bool)
        for columns in self.exclusive_groups.values():
            best = probabilities[:, columns].argmax(axis=1)
            predicted[np.arange(len(predicted)), columns.start + best] = True
        return predicted

    def require_exclusive(self) -> None:
        """Refuses labels whose groups are not exclusive.

        Raises:
            ValueError: naming the groups.
        """
        if not self.exclusive:
            raise ValueError(
                "`labels` must have exclusive groups, like those of "
                f"street_fashion/attributes or deepfashion; got groups={self.groups}."
            )

    def require_same_names(self, other: "Labels | Sequence[str]") -> None:
        """Raises an error if labels differ in name or order.

        Raises:
            ValueError: naming the first difference.
        """
        others = other.names if isinstance(other, Labels) else other
        require_same_names(self.names, others)

    def to_json(self) -> str:
        """Returns the labels and their hash as JSON text."""
        return json.dumps(
            {**self._content(), "hash": self.hash}, indent=2, ensure_ascii=False
        )

    @classmethod
    def from_json(cls, text: str, *, source: str = "labels.json") -> "Labels":
        """Reads the JSON text of `to_json`.

        Raises:
            ValueError: if the text is not such JSON or its hash does not match.
        """
        try:
            content: dict[str, Any] = json.loads(text)
            if not isinstance(content, dict) or "names" not in content:
                raise ValueError('no JSON object with "names"')
            labels = cls(
                tuple(content["names"]),
                content.get("groups"),
                tuple(content.get("thresholds") or ()),
                content.get("image_size"),
                content.get("exclusive", False),
            )
            found = str(content.get("hash", labels.hash))
        except _MALFORMED as error:
            raise ValueError(
                f"{source} must hold the labels that kmlic wrote; got {error}."
            ) from error
        if found != labels.hash:
            raise ValueError(
                f"{source} was changed after it was written: its hash is "
                f"{found[:12]}..., that of its text {labels.hash[:12]}.... "
                "Write it again with Labels.write."
            )
        return labels

    def write(self, path: str | Path) -> None:
        """Writes labels.json atomically."""
        with atomic_write(path) as temporary:
            temporary.write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def read(cls, path: str | Path) -> "Labels":
        """Reads labels.json.

        Raises:
            ValueError: naming the file, if it holds no labels.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} must be UTF-8; got {error}.") from error
        return cls.from_json(text, source=str(path))

    def _content(self) -> dict[str, Any]:
        content: dict[str, Any] = {
            "names": list(self.names),
            "groups": self.groups
            and {group: list(members) for group, members in self.groups.items()},
            "thresholds": list(self.thresholds),
            "image_size": self.image_size,
        }
        if self.exclusive:  # absent otherwise, so that older files keep their hash
            content["exclusive"] = True
        return content


def to_probabilities(logits: np.ndarray, labels: Labels | None = None) -> np.ndarray:
    """Computes probabilities of logits: sigmoids, or a softmax within each group.

    Shapes: (N, L) to (N, L) float32.

    Args:
        logits: logits of a model.
        labels: labels of the model; the probabilities of each exclusive group sum to 1.

    Example:
        >>> to_probabilities(np.zeros((1, 2))).tolist()
        [[0.5, 0.5]]
        >>> groups = {"size": ("s", "l"), "fit": ("tight", "loose")}
        >>> labels = Labels(("s", "l", "tight", "loose"), groups, exclusive=True)
        >>> to_probabilities(np.array([[0, 0, 0, 999]]), labels).tolist()
        [[0.5, 0.5, 0.0, 1.0]]
    """
    logits = np.asarray(logits, "float32")
    with np.errstate(invalid="ignore"):  # NaN stays NaN
        probabilities = np.exp(-np.logaddexp(0, -logits))
    for columns in labels.exclusive_groups.values() if labels else ():
        own = logits[:, columns]
        powers = np.exp(own - own.max(axis=1, keepdims=True))
        probabilities[:, columns] = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def _check_exclusive(
    names: tuple[str, ...], groups: Mapping[str, tuple[str, ...]]
) -> None:
    for group, members in groups.items():
        if len(members) < 2:
            raise ValueError(
                "`groups` must hold at least two labels each to be exclusive; got "
                f"{members} in group {group!r}."
            )
    joined = tuple(name for members in groups.values() for name in members)
    if joined != names:
        raise ValueError(
            "`groups` must hold every label once, in the order of `names`, to be "
            f"exclusive; got names={names} and groups of {joined}."
        )

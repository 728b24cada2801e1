"""Files of arrays that store the labels which the arrays belong to."""

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kmlic.atomic_write import atomic_write
from kmlic.declared_sizes import check_npz


def write_arrays(
    path: str | Path, names: Sequence[str], arrays: Mapping[str, np.ndarray]
) -> str:
    """Writes arrays, the names of their labels and a hash to a file, atomically.

    Args:
        path: the `.npz` file.
        names: names of the labels, in order.
        arrays: key to array of numbers.

    Returns:
        The SHA-256 of names and arrays.
    """
    identity = _hash_arrays(names, arrays)
    content: dict[str, Any] = {f"array_{key}": value for key, value in arrays.items()}
    content["names"] = np.asarray(names, dtype=np.str_)
    content["hash"] = np.asarray(identity)
    with atomic_write(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **content)
    return identity


def read_arrays(
    path: str | Path, keys: Sequence[str], *, names: Sequence[str] | None = None
) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """Reads a file of `write_arrays`; a pickle is never opened.

    Args:
        path: the `.npz` file.
        keys: keys of the arrays to read.
        names: names that the labels must have; None for any.

    Raises:
        ValueError: naming the file, if it is a pickle, is corrupt, lacks an array or
            belongs to other labels.
    """
    path = Path(path)
    with path.open("rb") as stream:
        magic = stream.read(2)
    if magic != b"PK":
        pickled = magic[:1] == b"\x80" or path.suffix in {".pkl", ".pickle"}
        raise ValueError(
            f"{path} must be an .npz file that kmlic wrote; "
            + (
                "it is a pickle, which can run code when it is opened. If you trust "
                "it, open it once with pickle.load and write its label names and "
                "arrays with kmlic.labelled_arrays.write_arrays."
                if pickled
                else f"it begins with the bytes {magic!r}."
            )
        )
    try:
        check_npz(path, stored=True)
        with np.load(path, allow_pickle=False) as content:
            own = tuple(str(name) for name in content["names"])
            identity = str(content["hash"])
            arrays = {
                key.removeprefix("array_"): content[key]
                for key in content.files
                if key.startswith("array_")
            }
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} must be an .npz file that kmlic wrote; got {error}."
        ) from error
    if identity != _hash_arrays(own, arrays):
        raise ValueError(
            f"{path} was changed after it was written: its hash does not match its "
            "content. Write it again."
        )
    absent = [key for key in keys if key not in arrays]
    if absent:
        raise ValueError(f"{path} must hold {list(keys)}; it lacks {absent}.")
    if names is not None:
        try:
            require_same_names(own, names)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
    return own, {key: arrays[key] for key in keys}


def require_same_names(own: Sequence[str], others: Sequence[str]) -> None:
    """Raises an error if label names differ in name or order.

    Args:
        own: the expected names.
        others: the names to compare.

    Raises:
        ValueError: naming the first difference.
    """
    own, others = tuple(own), tuple(others)
    for index, (mine, theirs) in enumerate(zip(own, others, strict=False)):
        if mine != theirs:
            raise ValueError(
                f"labels must be the same in the same order; label {index} is "
                f"{mine!r} here and {theirs!r} there."
            )
    if len(own) != len(others):
        surplus = max(own, others, key=len)[min(len(own), len(others))]
        raise ValueError(
            f"labels must be the same in the same order; got {len(own)} here and "
            f"{len(others)} there; the first additional one is {surplus!r}."
        )


def _hash_arrays(names: Sequence[str], arrays: Mapping[str, np.ndarray]) -> str:
    content = hashlib.sha256(json.dumps(list(names), ensure_ascii=False).encode())
    for key in sorted(arrays):
        array = np.ascontiguousarray(arrays[key])
        content.update(f"{key} {array.dtype.str} {array.shape}".encode())
        content.update(array.tobytes())
    return content.hexdigest()

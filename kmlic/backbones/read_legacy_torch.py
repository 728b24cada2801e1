"""Checkpoints in torch's format before version 1.6, read without torch."""

import collections
import io
import math
import pathlib
import pickle
import pickletools

import numpy as np

# A magic number and the version of the format, each a pickle of its own.
LEGACY_HEADER = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e80024de9032e")
_DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}
_OPCODES = {
    *("PROTO", "STOP", "MARK", "GLOBAL", "REDUCE", "BUILD", "BINPERSID", "NONE"),
    *("NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "BINUNICODE"),
    *("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST", "APPEND"),
    *("APPENDS", "EMPTY_DICT", "SETITEM", "SETITEMS"),
    *("BINPUT", "BINGET", "LONG_BINPUT", "LONG_BINGET"),
}


def read_legacy_torch(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Reads the arrays of a torch checkpoint in the format before torch 1.6.

    The file is a few pickles followed by the numbers. A pickle can run any code, so
    only the operations and the four names that a checkpoint needs are allowed. Every
    declared size is compared with the size of the file before memory is allocated. The
    arrays are read-only views of the bytes read.

    Args:
        path: of a state dict of float32 and int64 tensors, as `torch.save` wrote it.

    Raises:
        ValueError: if the file is corrupt, or holds anything else.
    """
    content = path.read_bytes()
    file = io.BytesIO(content)
    try:
        if file.read(len(LEGACY_HEADER)) != LEGACY_HEADER:
            raise ValueError("it does not start as torch's old format does")
        system = _unpickle(file)
        if not isinstance(system, dict) or system.get("little_endian") is not True:
            raise ValueError("its numbers are not little-endian")
        state = _unpickle(file)
        if not isinstance(state, dict):
            raise ValueError("it holds no state dict")
        storages = _read_storages(content, file, _declare(state))
        return {name: _view(name, state[name], storages) for name in state}
    except (
        AttributeError,
        EOFError,
        IndexError,
        KeyError,
        OverflowError,
        TypeError,
        ValueError,
        pickle.UnpicklingError,
    ) as error:
        raise ValueError(
            f"`weights` must be a torch checkpoint of float32 and int64 tensors; {path}"
            f" cannot be read: {error}."
        ) from error


class _Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        # What a pickle gets here it may call and set attributes of, hence no class or
        # function that outlives the unpickling, but for one that Python protects.
        def rebuild_tensor(storage, offset, size, stride, requires_grad, hooks):
            return storage, offset, size, stride

        allowed = {
            ("collections", "OrderedDict"): collections.OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
            **{("torch", storage): storage for storage in _DTYPES},
        }
        if (module, name) not in allowed:
            raise ValueError(
                f"it names {module[:80]}.{name[:80]}, which is not allowed"
            )
        return allowed[module, name]

    def persistent_load(self, pid):
        kind, storage, key, _, count, view = pid
        if kind != "storage" or view is not None:
            raise ValueError("it refers to something else than a complete storage")
        return storage, key, count


def _unpickle(file):
    start = file.tell()
    for opcode, argument, position in pickletools.genops(file):
        if opcode.name not in _OPCODES:
            raise ValueError(f"it has the pickle operation {opcode.name}")
        # The unpickler allocates its memo up to the index.
        if opcode.name == "LONG_BINPUT" and argument > position - start:
            raise ValueError(f"it stores object {argument} after fewer operations")
    end = file.tell()
    file.seek(start)
    value = _Unpickler(file).load()
    file.seek(end)
    return value


def _declare(state):
    """Collects the storages that the tensors refer to, by key."""
    declared: dict = {}
    for name, tensor in state.items():
        (kind, key, count), *_ = tensor
        if not isinstance(name, str) or not isinstance(key, str):
            raise ValueError("a name of it is not text")
        _check_counts(name, [count])
        storage = (_DTYPES[kind], count)
        if declared.setdefault(key, storage) != storage:
            raise ValueError(f"{name} declares a storage again, but differently")
    return declared


def _read_storages(content, file, declared):
    keys = _unpickle(file)
    if not isinstance(keys, list) or sorted(keys) != sorted(declared):
        raise ValueError("its list of storages is not that of its tensors")
    position, storages = file.tell(), {}
    for key in keys:
        dtype, count = declared[key]
        stated = int.from_bytes(content[position : position + 8], "little", signed=True)
        position += 8
        if stated != count or count * dtype.itemsize > len(content) - position:
            raise ValueError(
                f"a storage of {count} numbers was declared where the file has "
                f"{stated} in {max(len(content) - position, 0)} bytes"
            )
        storages[key] = np.frombuffer(content, dtype, count, position)
        position += count * dtype.itemsize
    if position != len(content):
        raise ValueError(f"{len(content) - position} bytes follow the last storage")
    return storages


def _view(name, tensor, storages):
    (_, key, count), offset, size, stride = tensor
    _check_counts(name, [offset, *size, *stride])
    steps = zip(size, stride, strict=True)
    last = offset + sum((length - 1) * step for length, step in steps)
    # A stride of 0 repeats numbers: the second check keeps a few from becoming many.
    if 0 in size or last >= count or math.prod(size) > count:
        raise ValueError(f"{name} of shape {size[:8]} reaches beyond its storage")
    values = storages[key][offset:]
    strides = [step * values.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(values, size, strides, writeable=False)


def _check_counts(name, counts):
    if any(type(count) is not int or count < 0 for count in counts):
        raise ValueError(f"a size of {name} is not a number from 0 up")

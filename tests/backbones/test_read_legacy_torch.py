import collections
import io
import os
import pickle
import struct
import tracemalloc
import typing

import numpy as np
import pytest

from kmlic.backbones.read_legacy_torch import LEGACY_HEADER, read_legacy_torch
from kmlic.packaged_weights import find_packaged_weights

SYSTEM = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}


class _Global:
    """Pickles as the name of something in another module."""

    def __init__(self, module, name):
        self.names = module, name


class _Call:
    """Pickles as a call of such a name."""

    def __init__(self, function, *arguments, state=None):
        self.function, self.arguments, self.state = function, arguments, state


class _Changed(_Call):
    """Pickles as a name whose attributes are set."""

    def __init__(self, function, state):
        super().__init__(function, state=state)


class _Storage(tuple):
    """Pickles as a persistent id."""


class _Pickler(pickle._Pickler):
    dispatch: typing.ClassVar = dict(pickle._Pickler.dispatch)

    def persistent_id(self, obj):
        return tuple(obj) if isinstance(obj, _Storage) else None

    def save_global_name(self, obj):
        module, name = obj.names
        self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())

    def save_call(self, obj):
        self.save(obj.function)
        self.save(obj.arguments)
        self.write(pickle.REDUCE)
        if obj.state is not None:
            self.save(obj.state)
            self.write(pickle.BUILD)

    def save_changed(self, obj):
        self.save(obj.function)
        self.save(obj.state)
        self.write(pickle.BUILD)

    dispatch[_Changed] = save_changed
    dispatch[_Global] = save_global_name
    dispatch[_Call] = save_call


def _dumps(value):
    file = io.BytesIO()
    _Pickler(file, 2).dump(value)
    return file.getvalue()


REBUILD = _Global("torch._utils", "_rebuild_tensor_v2")


def _tensor(key="a", count=6, size=(2, 3), stride=(3, 1), **changes):
    fields = {"storage": "FloatStorage", "offset": 0, "view": None, **changes}
    kind = _Global("torch", fields["storage"])
    storage = _Storage(("storage", kind, key, "cpu", count, fields["view"]))
    hooks = collections.OrderedDict()
    return _Call(REBUILD, storage, fields["offset"], size, stride, False, hooks)


def _write(folder, state, keys=("a",), data=None, header=LEGACY_HEADER, system=SYSTEM):
    if data is None:
        data = struct.pack("<q6f", 6, *range(6))
    path = folder / "weights.pth"
    pickles = [_dumps(system), _dumps(state), _dumps(list(keys))]
    path.write_bytes(b"".join([header, *pickles, data]))
    return path


def _refuses(path, match):
    """Checks the message, and that nothing large was allocated on the way."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=match):
            read_legacy_torch(path)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_reads_what_torch_wrote():
    arrays = read_legacy_torch(find_packaged_weights("efficientnet_lite0"))
    assert len(arrays) == 296
    assert arrays["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert arrays["_bn1.num_batches_tracked"].dtype == "int64"
    assert sum(x.size for x in arrays.values() if x.dtype == "float32") == 4_694_024


def test_reads_strides_offsets_and_shared_storages(tmp_path):
    state = {
        "turned": _tensor(size=(3, 2), stride=(1, 3)),
        "last": _tensor(size=(2,), stride=(1,), offset=4),
        "one": _tensor(size=(), stride=(), offset=5),
    }
    arrays = read_legacy_torch(_write(tmp_path, state))
    np.testing.assert_array_equal(arrays["turned"], [[0, 3], [1, 4], [2, 5]])
    np.testing.assert_array_equal(arrays["last"], [4, 5])
    assert arrays["one"] == 5


def test_reads_state_dicts_with_metadata(tmp_path):
    ordered = _Global("collections", "OrderedDict")
    state = _Call(ordered, state={"_metadata": collections.OrderedDict()})
    assert read_legacy_torch(_write(tmp_path, state, keys=(), data=b"")) == {}


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("posix", "system"),
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("collections", "Counter"),
        ("collections", "OrderedDict.fromkeys"),
        ("torch", "DoubleStorage"),
        ("torch", "load"),
        ("torch._utils", "_rebuild_parameter"),
        ("numpy", "fromfile"),
    ],
)
def test_refuses_every_other_name_and_calls_nothing(
    module, name, tmp_path, monkeypatch
):
    monkeypatch.setattr(os, "system", lambda _: pytest.fail("called"))
    state = {"x": _Call(_Global(module, name), "touch hacked")}
    _refuses(_write(tmp_path, state), rf"names {module}\.{name}, which is not allowed")


def test_refuses_operations_that_a_checkpoint_does_not_need(tmp_path):
    path = _write(tmp_path, {"x": _tensor()})
    good = path.read_bytes()
    state = _dumps({"x": _tensor()})
    for protocol, name in ((4, "SHORT_BINUNICODE|FRAME"), (0, "UNICODE|DICT")):
        path.write_bytes(good.replace(state, pickle.dumps({"x": "y"}, protocol)))
        _refuses(path, f"pickle operation ({name})")
    # The C unpickler would allocate room for two thousand million objects.
    path.write_bytes(good.replace(state, b"\x80\x02}r\xff\xff\xff\x7f."))
    _refuses(path, "stores object 2147483647")


def test_leaves_nothing_behind_that_a_file_set(tmp_path):
    for target in (REBUILD, _Global("collections", "OrderedDict")):
        state = {"x": _tensor()}
        path = _write(tmp_path, state)
        path.write_bytes(
            path.read_bytes().replace(
                _dumps(state), _dumps(_Changed(target, {"evil": 1}))
            )
        )
        _refuses(path, "cannot be read")
    assert not hasattr(collections.OrderedDict, "evil")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"count": 2**30}, "was declared where the file has 6"),
        ({"count": 7}, "7 numbers was declared where the file has 6"),
        ({"size": (2**30,), "stride": (0,)}, "reaches beyond its storage"),
        ({"size": (2, 2**30), "stride": (0, 0)}, "reaches beyond its storage"),
        ({"size": (3, 3)}, "reaches beyond its storage"),
        ({"offset": 1}, "reaches beyond its storage"),
        ({"offset": -1}, "size of x is not a number from 0 up"),
        ({"stride": (-3, 1)}, "size of x is not"),
        ({"stride": (3, True)}, "size of x is not"),
        ({"count": "6"}, "size of x is not"),
        ({"size": (0, 3)}, "reaches beyond its storage"),
        ({"size": (6,)}, "cannot be read"),
        ({"size": (1,) * 100, "stride": (1,) * 100}, "cannot be read"),
        ({"size": (1,), "stride": (2**62,)}, "pickle operation LONG1"),
        ({"view": ("a", 0, 6)}, "something else than a complete storage"),
        ({"key": "b"}, "list of storages is not that of its tensors"),
    ],
)
def test_refuses_sizes_that_the_file_does_not_have(changes, match, tmp_path):
    _refuses(_write(tmp_path, {"x": _tensor(**changes)}), match)


def test_refuses_a_storage_larger_than_the_file_though_it_says_so_twice(tmp_path):
    state = {"x": _tensor(count=2**30, size=(2**30,), stride=(1,))}
    data = struct.pack("<q6f", 2**30, *range(6))
    _refuses(_write(tmp_path, state, data=data), "in 24 bytes")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"header": b"PK\x03\x04"}, "does not start as torch's old format"),
        ({"system": {"little_endian": False}}, "not little-endian"),
        ({"keys": ()}, "list of storages"),
        ({"keys": ("a", "a")}, "list of storages"),
        ({"data": b""}, "in 0 bytes"),
        ({"data": struct.pack("<q6f", 6, *range(6)) + b"x"}, "1 bytes follow"),
    ],
)
def test_refuses_corrupt_files(changes, match, tmp_path):
    _refuses(_write(tmp_path, {"x": _tensor()}, **changes), match)


def test_refuses_tensors_that_disagree_about_their_storage(tmp_path):
    state = {"x": _tensor(), "y": _tensor(storage="LongStorage")}
    _refuses(_write(tmp_path, state), "y declares a storage again")


def test_refuses_other_contents(tmp_path):
    for state in ([1, 2], {"x": 1}, {"x": "text"}, {"x": ()}, {3: _tensor()}):
        _refuses(_write(tmp_path, state), "cannot be read")


def test_refuses_every_truncation(tmp_path):
    path = _write(tmp_path, {"x": _tensor()})
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        with pytest.raises(ValueError, match=r"weights\.pth cannot be read"):
            read_legacy_torch(path)


def test_any_changed_byte_is_read_or_refused_cleanly(tmp_path):
    path = _write(tmp_path, {"x": _tensor()})
    content = path.read_bytes()
    random = np.random.default_rng(0)
    for _ in range(2000):
        changed = bytearray(content)
        changed[random.integers(len(content))] = random.integers(256)
        path.write_bytes(changed)
        try:
            arrays = read_legacy_torch(path)
        except ValueError as error:
            assert "cannot be read" in str(error)
        else:
            assert sum(array.size for array in arrays.values()) <= 6

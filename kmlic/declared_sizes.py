"""Checks of the sizes that files of numbers declare, before anything is allocated."""

import math
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import h5py

# What a member of an archive may unpack to in any case, and times its stored size.
_FREE_BYTES = 16 << 20
_EXPANSION = 10


def check_zip(path: str | Path, *, max_bytes: dict[str, int] | None = None) -> None:
    """Refuses a zip archive whose members unpack to much more than they store.

    A member may unpack to 16 MiB, or to ten times its stored size.

    Args:
        path: the archive.
        max_bytes: member to the most bytes that it may unpack to.

    Raises:
        ValueError: naming the member.
        zipfile.BadZipFile: if the file is no zip archive.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    for member in members:
        most = max(_FREE_BYTES, _EXPANSION * member.compress_size)
        most = (max_bytes or {}).get(member.filename, most)
        if member.file_size > most:
            raise ValueError(
                f"{member.filename} unpacks to {member.file_size:,} bytes; at most "
                f"{most:,} are read"
            )
    stored = sum(member.compress_size for member in members)
    if stored > os.path.getsize(path):  # noqa: PTH202 - also of names with "~"
        raise ValueError("its members overlap")


def check_npz(path: str | Path, *, stored: bool = False) -> None:
    """Refuses an `.npz` file whose arrays declare other sizes than they have.

    Args:
        path: the file.
        stored: whether to refuse compressed arrays.

    Raises:
        ValueError: naming the array.
        zipfile.BadZipFile: if the file is no zip archive.
    """
    check_zip(path)
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if stored and member.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"{member.filename} is compressed")
            with archive.open(member) as stream:
                version = np.lib.format.read_magic(stream)
                read = np.lib.format.read_array_header_2_0
                if version == (1, 0):
                    read = np.lib.format.read_array_header_1_0
                shape, _, dtype = read(stream)
                rest = member.file_size - stream.tell()
            if dtype.hasobject or math.prod(shape) * dtype.itemsize != rest:
                raise ValueError(
                    f"{member.filename} declares shape {shape} of {dtype}, but holds "
                    f"{rest:,} bytes"
                )


def check_hdf5(file: "h5py.File") -> int:
    """Refuses an HDF5 file whose arrays are not in it, uncompressed and complete.

    Compressed, virtual and external arrays, chunks that were never written and links to
    other files could all fill the memory from a file of a few kilobytes.

    Args:
        file: open for reading.

    Returns:
        The bytes of all arrays.

    Raises:
        ValueError: naming the array or link.
    """
    import h5py

    total, waiting, seen = 0, [file["/"]], set()
    while waiting:
        item = waiting.pop()
        address = h5py.h5o.get_info(item.id).addr
        if address in seen:
            continue
        seen.add(address)
        if isinstance(item, h5py.Group):
            for name in item:
                if not isinstance(item.get(name, getlink=True), h5py.HardLink):
                    raise ValueError(f"{item.name}/{name} is a link to elsewhere")
                waiting.append(item[name])
        elif isinstance(item, h5py.Dataset):
            size = math.prod(item.shape or ()) * item.dtype.itemsize
            if item.is_virtual or item.external or item.dtype.hasobject:
                raise ValueError(f"{item.name} is not an array of numbers in the file")
            if size > item.id.get_storage_size():
                raise ValueError(
                    f"{item.name} declares shape {item.shape} of {item.dtype}, but "
                    f"holds {item.id.get_storage_size():,} bytes"
                )
            total += size
    return total

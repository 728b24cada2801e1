import io
import zipfile

import h5py
import numpy as np
import pytest

from kmlic.declared_sizes import check_hdf5, check_npz, check_zip


def test_takes_honest_archives_and_refuses_those_that_expand(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", bytes(1 << 24))
    check_zip(path)
    with pytest.raises(ValueError, match=r"config.json unpacks to 16,777,216 bytes"):
        check_zip(path, max_bytes={"config.json": 1 << 20})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes((1 << 24) + 1))
    with pytest.raises(ValueError, match="bomb unpacks to"):
        check_zip(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("large", bytes((1 << 24) + 1))
    check_zip(path)


def test_refuses_members_that_overlap(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", bytes(1000))
        member = archive.infolist()[0]
        for name in "bcd":
            copy = zipfile.ZipInfo(name)
            copy.file_size = copy.compress_size = 1000
            copy.header_offset, copy.CRC = member.header_offset, member.CRC
            archive.filelist.append(copy)
    with pytest.raises(ValueError, match="members overlap"):
        check_zip(path)


def lying_npz(path, shape):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": shape}
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("array_x.npy", header.getvalue() + bytes(16))


def test_refuses_arrays_that_declare_more_than_they_hold(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.zeros((3, 4)), names=np.array(["a", "größe"]), n=np.int64(3))
    check_npz(path, stored=True)
    np.savez_compressed(path, x=np.arange(10))
    check_npz(path)
    with pytest.raises(ValueError, match=r"x.npy is compressed"):
        check_npz(path, stored=True)
    lying_npz(path, (40_000, 40_000))
    with pytest.raises(ValueError, match=r"shape \(40000, 40000\) .* holds 16 bytes"):
        check_npz(path)
    lying_npz(path, (2, 2))
    check_npz(path)


def test_adds_the_bytes_of_honest_arrays(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["layers/dense/0"] = np.zeros((3, 5), "float32")
        file["layers/dense/1"] = np.float32(1)
        assert check_hdf5(file) == 64
        file["again"] = file["layers"]  # the same arrays by another name
        assert check_hdf5(file) == 64


def test_refuses_arrays_and_links_that_are_not_in_the_file(tmp_path):
    def chunks(file):
        file.create_dataset("x", (60_000, 60_000), "float32", chunks=(1000, 1000))

    def packed(file):
        file["x"] = 0
        file.create_dataset("y/x", data=np.zeros(100_000), compression="gzip")

    def external(file):
        file.create_dataset("x", (9,), "u1", external=[("other", 0, 9)])

    def virtual(file):
        layout = h5py.VirtualLayout((9,), "u1")
        file.create_virtual_dataset("x", layout)

    def text(file):
        file["x"] = "text of any length"

    def soft(file):
        file["x"] = h5py.SoftLink("/y")

    def other(file):
        file["x"] = h5py.ExternalLink("other.h5", "/")

    for number, write in enumerate(
        (chunks, packed, external, virtual, text, soft, other)
    ):
        with h5py.File(tmp_path / f"{number}.h5", "w") as file:
            write(file)
            with pytest.raises(ValueError, match=r"/x (declares|is not|is a link)"):
                check_hdf5(file)

import hashlib

import pytest

from kmlic.data import check_images
from kmlic.data.decoding import ImageHeader
from tests.data.files import encode, picture


def test_gives_digest_header_and_problem_of_every_file_in_order(tmp_path):
    whole = encode(picture(60, 90), "JPEG")
    paths = [tmp_path / f"{number}.jpg" for number in range(4)]
    paths[0].write_bytes(whole)
    paths[1].write_bytes(whole[:-100])
    paths[2].write_text("text")
    header = ImageHeader("JPEG", 90, 60, True)
    fine, cut, text, gone = check_images(paths)
    assert (fine.problem, fine.header) == ("", header)
    assert fine.digest == hashlib.sha256(whole).digest()
    assert "1.jpg must be a complete JPEG" in cut.problem and cut.header == header
    assert "2.jpg must be a JPEG" in text.problem and text.header is None
    assert "3.jpg must exist" in gone.problem and gone.digest == b""


def test_looking_at_headers_only_leaves_damaged_pixels_to_the_training(tmp_path):
    path = tmp_path / "cut.jpg"
    path.write_bytes(encode(picture(60, 90), "JPEG")[:-100])
    assert not check_images([path], depth="header")[0].problem


def test_refuses_another_depth():
    with pytest.raises(ValueError, match="depth='half'"):
        check_images([], depth="half")
    assert check_images([]) == []

import hashlib
import subprocess
import sys

import pytest
from PIL import Image

from kmlic.data import check_images, inspect_image
from kmlic.data.image_header import ImageHeader
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


def test_common_images_are_checked_without_tensorflow(tmp_path):
    for number in range(3):
        kind = ("JPEG", "PNG")[number % 2]
        (tmp_path / f"{number}.jpg").write_bytes(encode(picture(60, 90), kind))
    code = (
        "import sys, pathlib; from kmlic.data.check_images import check_images; "
        "checks = check_images(sorted(pathlib.Path(sys.argv[1]).iterdir()));"
        "print([c.header.format for c in checks], 'tensorflow' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.stdout == "['JPEG', 'PNG', 'JPEG'] False\n"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P"])
def test_the_header_is_that_of_the_decoder_of_trainings(tmp_path, kind, mode):
    if (kind, mode) in (("JPEG", "RGBA"), ("JPEG", "P"), ("AVIF", "P")):
        pytest.skip("this format has no such images")
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {"exif": exif.tobytes()} if kind in ("JPEG", "WEBP") else {}
    data = encode(picture(60, 90).convert(mode), kind, **options)
    (tmp_path / "a").write_bytes(data)
    for depth in ("decode", "header"):
        (found,) = check_images([tmp_path / "a"], depth=depth)
        assert found.header == inspect_image(data) and not found.problem

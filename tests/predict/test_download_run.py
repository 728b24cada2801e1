import huggingface_hub
import pytest

from kmlic import cli
from kmlic.export import FORMATS
from kmlic.predict.download_run import HUB_FILES, download_run, parse_address
from tests.predict.toys import write_image, write_run


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """A Hub without a network that holds a run, and what it was asked for."""
    run, asked = write_run(tmp_path / "snapshot"), []

    def download(repository, *, revision, allow_patterns):
        if "gone" in repository:
            raise OSError("404 Client Error")
        asked.append((repository, revision, allow_patterns))
        return str(run)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    return asked


def test_predicts_with_a_run_on_the_hub(asked, tmp_path, capsys):
    image = write_image(tmp_path / "yellow.png", (255, 255, 0))
    assert cli.main(["predict", "hf://me/birds@v2", str(image)]) == 0
    assert asked == [("me/birds", "v2", list(HUB_FILES))]
    assert "red 0.95, green 0.95" in capsys.readouterr().out


def test_says_what_the_hub_said(asked):
    with pytest.raises(ConnectionError, match=r"hf://me/gone could not .* 404"):
        download_run("hf://me/gone")


@pytest.mark.parametrize(
    "address", ["hf://me", "hf://me/a/b", "hf://", "hf://me/../x", "hf://me/a b"]
)
def test_refuses_what_is_no_address(address):
    with pytest.raises(ValueError, match="must be hf://user/name; got"):
        parse_address(address)


def test_asks_for_the_exports_in_every_format():
    patterns = {"export/*", "*.tflite", "*.onnx", "openvino/*"}
    assert {format.pattern for format in FORMATS.values()} == patterns <= set(HUB_FILES)


def test_asks_for_no_file_that_tells_of_training_images():
    assert not {"images.npz", "unseen_scores.npz", "report.html"} & set(HUB_FILES)

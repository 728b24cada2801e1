import dataclasses

from kmlic.experiments.export_section import export_section
from tests.experiments.test_evaluation_section import RUN


def test_lists_format_difference_and_size(tmp_path):
    (tmp_path / "model.onnx").write_bytes(bytes(1_500_000))
    run = dataclasses.replace(RUN, exports={"model.onnx": 1.25e-7, "gone": 0.5})
    section = export_section(run, tmp_path)
    assert section.header == ["file", "format", "largest difference", "MB"]
    assert section.rows == [
        ["model.onnx", "onnx", "1.2e-07", "1.5"],
        ["gone", "-", "5.0e-01", "-"],
    ]


def test_adds_what_was_measured_beside_the_model(tmp_path):
    (tmp_path / "model.keras").write_bytes(bytes(2_000_000))
    (tmp_path / "openvino").mkdir()
    measured = {
        "model.keras": {"milliseconds": 20.0, "mAP": 0.5, "split": "test"},
        "openvino (bfloat16)": {"milliseconds": 4.0, "mAP": 0.49, "split": "test"},
        "gone": {"milliseconds": 5.0, "mAP": None, "split": None},
    }
    exports = {"openvino (bfloat16)": 0.01, "gone": 0.0, "late": 0.0}
    run = dataclasses.replace(RUN, exports=exports, measured=measured)
    section = export_section(run, tmp_path)
    assert section.header[4:] == ["ms per image", "images per second", "mAP, test"]
    assert [row[0] for row in section.rows] == ["model.keras", *exports]
    assert section.rows[0][1:] == ["keras", "-", "2.0", "20.0", "50", "50.00"]
    assert [row[4:] for row in section.rows[1:]] == [
        ["4.0", "250", "49.00"],
        ["5.0", "200", "-"],
        ["-", "-", "-"],
    ]


def test_says_nothing_without_exports(tmp_path):
    section = export_section(RUN, tmp_path)
    assert not section.rows and not section.text

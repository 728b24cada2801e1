import pytest

from kmlic.export.import_extra import import_extra


def test_imports_what_is_there_and_names_the_extra_of_what_is_not():
    assert import_extra("json", "onnx").dumps([1]) == "[1]"
    with pytest.raises(ImportError, match=r"needs absent_package.*'kmlic\[onnx\]'"):
        import_extra("absent_package", "onnx")

import sys

import pytest

from kmlic.require_extra import require_extra


def test_names_the_extra_of_what_is_not_installed(monkeypatch):
    require_extra("onnx", "json.decoder", "this")
    monkeypatch.setitem(sys.modules, "hidden", None)
    for package in ("absent", "absent.part", "hidden"):
        with pytest.raises(ImportError) as raised:
            require_extra("onnx", package, "this")
        name = package.partition(".")[0]
        assert str(raised.value) == f"this needs {name}: pip install 'kmlic[onnx]'"

import pytest

from kmlic.classifier import finish


@pytest.fixture
def without_exports(monkeypatch):
    """Exports are most of the time, and have tests of their own."""
    monkeypatch.setattr(finish, "export_checked", lambda *_, **__: [])

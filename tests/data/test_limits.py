import pytest

from kmlic.data.limits import require_bytes


def test_refuses_what_is_empty_or_larger_than_its_limit():
    require_bytes(b"12345", "a.jpg", {"max_bytes": 5})
    with pytest.raises(ValueError, match="at most max_bytes=4 bytes; it has 5"):
        require_bytes(b"12345", "a.jpg", {"max_bytes": 4})
    with pytest.raises(ValueError, match=r"a\.jpg must hold an image; it is empty"):
        require_bytes(b"", "a.jpg", {})

import dataclasses

import pytest

from kmlic.data import Finding


def test_cannot_be_changed():
    finding = Finding("error", "Unusable rows", count=1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        finding.count = 2

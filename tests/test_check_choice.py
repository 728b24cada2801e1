import pytest

from kmlic.check_choice import check_choice


def test_accepts_a_choice_and_names_the_argument_of_any_other_value():
    check_choice("quantize", None, None, "int8")
    with pytest.raises(
        ValueError, match="`quantize` must be one of None, 'int8'; got quantize='int4'"
    ):
        check_choice("quantize", "int4", None, "int8")

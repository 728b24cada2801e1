import pytest

from kmlic.check_number import check_number


@pytest.mark.parametrize(
    ("value", "limits"),
    [
        (0, {"at_least": 0, "below": 1}),
        (0.99, {"at_least": 0, "below": 1}),
        (1, {"above": 0, "at_most": 1}),
    ],
)
def test_accepts_numbers_within_their_limits(value, limits):
    check_number("share", value, **limits)


@pytest.mark.parametrize(
    ("value", "limits", "rule"),
    [
        (0, {"at_least": 1}, "at least 1; got share=0"),
        (0, {"above": 0}, "above 0; got share=0"),
        (1.5, {"at_least": 0, "at_most": 1}, "at least 0 and at most 1; got share=1.5"),
        (1, {"at_least": 0, "below": 1}, "at least 0 and below 1; got share=1"),
        (float("nan"), {"at_least": 0}, "at least 0; got share=nan"),
    ],
)
def test_names_the_limits_and_the_number_that_is_out_of_them(value, limits, rule):
    with pytest.raises(ValueError, match=f"`share` must be {rule}"):
        check_number("share", value, **limits)

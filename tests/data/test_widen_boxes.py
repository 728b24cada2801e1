import numpy as np

from kmlic.data.widen_boxes import widen_boxes


def test_adds_a_share_of_each_side_and_ends_at_the_left_and_top_edge():
    boxes = np.array([[10, 20, 30, 60], [1, 2, 21, 12]])
    expected = [[6, 12, 34, 68], [0, 0, 25, 14]]
    np.testing.assert_array_equal(widen_boxes(boxes, 0.2), expected)
    np.testing.assert_array_equal(widen_boxes(boxes, 0.0), boxes)

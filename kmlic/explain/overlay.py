"""Heat maps drawn over images."""

import numpy as np

from kmlic.explain.receptive_field_centers import Centers, cell_centers, check_centers


def overlay(
    image: np.ndarray,
    map: np.ndarray,
    *,
    centers: Centers | None = None,
    lowest: float | None = 0.0,
    highest: float | None = None,
    strength: float = 0.6,
) -> np.ndarray:
    """Draws a map over its image, in colours from red over yellow to white.

    The image stays unchanged where the map is at its lowest value or below. Values are
    interpolated between the centers of the map's cells and constant beyond them.

    Shapes: (H, W, 3), (h, w) to (H, W, 3) uint8.

    Args:
        image: pixels 0-255.
        map: of any size.
        centers: of the map's rows (h,) and columns (w,) in the image, as
            `receptive_field_centers` returns them; None for the centers of equal cells.
        lowest: the value up to which nothing is drawn; None for the minimum of the map,
            which makes weak maps visible too.
        highest: the value that gets the brightest colour; None for the maximum of the
            map. Pass the same value to compare maps of one model.
        strength: opacity of the highest value, 0 to 1.

    Raises:
        ValueError: if a shape, the centers, the strength or a value of the map is
            invalid.

    Example:
        >>> image = np.full((4, 4, 3), 100.0)
        >>> overlay(image, np.array([[0.0, 0.0], [0.0, 9.0]]))[[0, 3], [0, 3]].tolist()
        [[100, 100, 100], [193, 193, 193]]
    """
    if np.ndim(image) != 3 or np.shape(image)[-1] != 3:
        raise ValueError(
            f"`image` must have shape (H, W, 3); got shape {np.shape(image)}."
        )
    if np.ndim(map) != 2 or not np.isfinite(map).all():
        raise ValueError(
            f"`map` must be finite and of shape (H, W); got shape {np.shape(map)}."
        )
    if not 0 <= strength <= 1:
        raise ValueError(f"`strength` must be from 0 to 1; got strength={strength}.")
    image = np.asarray(image, "float32")
    rows, columns = check_centers(centers, np.shape(map))
    values = _weights(rows, image.shape[0]).T @ map @ _weights(columns, image.shape[1])
    low = float(np.min(map)) if lowest is None else lowest
    scale = (float(np.max(map)) if highest is None else highest) - low
    heat = np.maximum(values[..., None] - low, 0.0).astype("float32")  # (H, W, 1)
    heat = np.minimum(heat / scale, 1.0) if scale > 0 else np.zeros_like(heat)
    colours = 255 * np.clip(3 * heat - np.arange(3), 0, 1)  # red, then green, then blue
    opacity = strength * heat
    blended = image * (1 - opacity) + colours * opacity
    return np.clip(np.rint(blended), 0, 255).astype("uint8")


def _weights(centers: np.ndarray, pixels: int) -> np.ndarray:
    """Computes the weight of each cell in each pixel: (cells, pixels)."""
    return np.stack(
        [np.interp(cell_centers(pixels), centers, own) for own in np.eye(len(centers))]
    )

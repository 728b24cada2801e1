"""The embedded dataset: drawn photographs of dressed figures."""

from kmlic.datasets.street_fashion.builder import (
    StreetFashion,
    load_street_fashion_builder,
)
from kmlic.datasets.street_fashion.load_street_fashion import load_street_fashion

__all__ = ["StreetFashion", "load_street_fashion", "load_street_fashion_builder"]

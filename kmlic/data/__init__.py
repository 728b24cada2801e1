"""Datasets and what feeds them to a model."""

__all__: list[str] = []

"""Judging a trained model."""

__all__: list[str] = []

"""Metrics that ignore unknown labels."""

__all__: list[str] = []

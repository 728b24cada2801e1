"""Labels for images outside any dataset."""

__all__: list[str] = []

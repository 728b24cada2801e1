"""Feature extractors: one family per file."""

__all__: list[str] = []

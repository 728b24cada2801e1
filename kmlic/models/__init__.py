"""The papers' models: one builder per file."""

__all__: list[str] = []

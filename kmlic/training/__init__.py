"""What a recipe needs to train a model."""

__all__: list[str] = []

"""How much time a training may take, and what it says on the way."""

import time

from rich.console import Console


class Budget:
    """Counts the time that is left, and prints one line per stage.

    Args:
        minutes: for everything, the work of interrupted runs of the same command
            included.
        console: where lines are printed.

    Raises:
        ValueError: if `minutes` is not positive.

    Example:
        >>> budget = Budget(15)
        >>> budget.take_over(60.0)
        >>> 830 < budget.left <= 840
        True
    """

    def __init__(self, minutes: float, console: Console | None = None):
        if not minutes > 0:
            raise ValueError(f"`minutes` must be above 0; got minutes={minutes}.")
        self.seconds = 60.0 * minutes
        self.console = console or Console(highlight=False, quiet=True)
        self._start = time.monotonic()
        self._earlier = 0.0

    @property
    def left(self) -> float:
        """Returns the seconds that are left; negative when the time is over."""
        return self.seconds - self._earlier - (time.monotonic() - self._start)

    def take_over(self, seconds: float) -> None:
        """Counts work that an interrupted run did and this one does not repeat."""
        self._earlier += seconds

    def say(self, stage: str, text: str) -> None:
        """Prints what a stage did, and the time left."""
        left = max(self.left, 0)
        clock = f"{int(left // 60)}:{int(left % 60):02d} left"
        self.console.print(f"[{clock}] {stage}: {text}", soft_wrap=True, markup=False)

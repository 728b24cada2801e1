"""How much time a training may take, and what it says on the way."""

import contextlib
import threading
import time
from collections.abc import Iterator

from rich.console import Console

from kmlic.data.progress import telling

# Seconds after which a stage that has said nothing says what it does.
_SILENCE = 10.0


class Budget:
    """Counts the time that is left, and prints what each stage does.

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
        self.wishes: list[str] = []
        self._start = time.monotonic()
        self._earlier = 0.0
        self._said = self._start
        self._now = ("start", "reading the data")
        self._progress = ""

    @property
    def left(self) -> float:
        """Returns the seconds that are left; negative when the time is over."""
        return self.seconds - self._earlier - (time.monotonic() - self._start)

    def take_over(self, seconds: float) -> None:
        """Counts work that an interrupted run did and this one does not repeat."""
        self._earlier += seconds

    def wish(self, what: str) -> None:
        """Notes what more minutes would be used for."""
        self.wishes.append(what)

    def say(self, stage: str, text: str) -> None:
        """Prints what a stage did, and the time left, or how long it has been over."""
        self._said = time.monotonic()
        seconds = int(abs(self.left))
        clock = (
            f"{seconds // 60}:{seconds % 60:02d} {'left' if self.left > 0 else 'over'}"
        )
        self.console.print(f"[{clock}] {stage}: {text}", soft_wrap=True, markup=False)

    def do(self, stage: str, text: str) -> None:
        """Notes what is being done, to be printed if that takes long."""
        self._now = (stage, text)

    @contextlib.contextmanager
    def reporting(self) -> Iterator[None]:
        """Prints what is being done, and the time left, every ten silent seconds.

        Where `with_progress` knows how far that is, its text is printed instead.
        """
        ended = threading.Event()

        def follow(text: str) -> None:
            self._progress = text

        def report() -> None:
            while not ended.wait(0.5):
                if time.monotonic() - self._said > _SILENCE:
                    stage, text = self._now
                    self.say(stage, self._progress or text)

        self.say(*self._now)
        reporter = threading.Thread(target=report, daemon=True)
        reporter.start()
        try:
            with telling(follow):
                yield
        finally:
            ended.set()
            reporter.join()

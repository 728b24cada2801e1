"""Trains a classifier on drawn photos, and kills itself after some steps."""

import importlib
import os
import signal
import sys
import threading
from pathlib import Path

from kmlic.classifier import ClassifierSettings, train_classifier
from kmlic.classifier.budget import Budget
from kmlic.make_console import make_console


def main(table: str, folder: str, steps: int, seconds: float) -> None:
    """Counts what a training says and does, and dies some time after a number of it.

    Args:
        table: labels.csv.
        folder: of the run.
        steps: to survive; 0 for all.
        seconds: from then to its death.
    """
    # So that few images reach the last stages too.
    stage = importlib.import_module("kmlic.classifier.fine_tuning")
    stage._FEWEST_IMAGES, stage._MOST_EPOCHS = 10, 3
    left = [steps]

    def counted(method):
        def call(*arguments):
            left[0] -= 1
            if left[0] == 0:
                threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()
            return method(*arguments)

        return call

    Budget.say, Budget.do = counted(Budget.say), counted(Budget.do)
    settings = ClassifierSettings(
        Path(folder), 60.0, "small_resnet", None, 64, positive_weights="frequency"
    )
    train_classifier(table, settings, console=make_console())


if __name__ == "__main__":
    main(*sys.argv[1:3], int(sys.argv[3]), float(sys.argv[4]))

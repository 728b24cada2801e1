"""Trainings that a recipe compares, and the runs they leave."""

from kmlic.experiments.evaluate_run import evaluate_run
from kmlic.experiments.experiment import Experiment, Trained
from kmlic.experiments.export_run import export_run
from kmlic.experiments.group_sections import group_sections
from kmlic.experiments.settings import TrainingSettings, parse_settings, run_recipe

__all__ = [
    "Experiment",
    "Trained",
    "TrainingSettings",
    "evaluate_run",
    "export_run",
    "group_sections",
    "parse_settings",
    "run_recipe",
]

"""Experiments: models trained alike and compared, and the runs they write."""

from typing import TYPE_CHECKING

from kmlic.lazy_package import lazy_package

if TYPE_CHECKING:
    from kmlic.experiments.add_linear_probes import add_linear_probes
    from kmlic.experiments.add_map_mass import add_map_mass
    from kmlic.experiments.area_sections import area_sections
    from kmlic.experiments.cache_features import Features, cache_features, load_row
    from kmlic.experiments.cached_settings import CachedSettings
    from kmlic.experiments.check_labels import LabelCheck, check_labels
    from kmlic.experiments.choose_rows import choose_rows
    from kmlic.experiments.claims_section import claims_section
    from kmlic.experiments.compare_runs import RunComparison, compare_runs
    from kmlic.experiments.compile_model import backbone_multipliers, compile_model
    from kmlic.experiments.difference_section import difference_section
    from kmlic.experiments.evaluate_run import ScoredSplit, evaluate_run, score_run
    from kmlic.experiments.experiment import Experiment
    from kmlic.experiments.export_run import export_run
    from kmlic.experiments.find_word_vectors import find_word_vectors
    from kmlic.experiments.finish_run import finish_run
    from kmlic.experiments.group_sections import group_sections
    from kmlic.experiments.images_at import images_at
    from kmlic.experiments.load_data import has_boxes, load_data
    from kmlic.experiments.make_backbone import make_backbone
    from kmlic.experiments.map_sections import map_sections
    from kmlic.experiments.member_settings import MemberSettings
    from kmlic.experiments.part_above_backbone import part_above_backbone
    from kmlic.experiments.record_evaluation import record_evaluation
    from kmlic.experiments.run_recipe import parse_settings, run_recipe
    from kmlic.experiments.train_members import train_members
    from kmlic.experiments.train_or_reuse import train_or_reuse
    from kmlic.experiments.train_rows import train_rows
    from kmlic.experiments.trained import Trained
    from kmlic.experiments.training_settings import TrainingSettings
    from kmlic.experiments.write_submission import write_submission
    from kmlic.experiments.zero_shot_settings import ZeroShotSettings
    from kmlic.experiments.zero_shot_study import ZeroShotStudy

__all__ = [
    "CachedSettings",
    "Experiment",
    "Features",
    "LabelCheck",
    "MemberSettings",
    "RunComparison",
    "ScoredSplit",
    "Trained",
    "TrainingSettings",
    "ZeroShotSettings",
    "ZeroShotStudy",
    "add_linear_probes",
    "add_map_mass",
    "area_sections",
    "backbone_multipliers",
    "cache_features",
    "check_labels",
    "choose_rows",
    "claims_section",
    "compare_runs",
    "compile_model",
    "difference_section",
    "evaluate_run",
    "export_run",
    "find_word_vectors",
    "finish_run",
    "group_sections",
    "has_boxes",
    "images_at",
    "load_data",
    "load_row",
    "make_backbone",
    "map_sections",
    "parse_settings",
    "part_above_backbone",
    "record_evaluation",
    "run_recipe",
    "score_run",
    "train_members",
    "train_or_reuse",
    "train_rows",
    "write_submission",
]

lazy_package(__name__)

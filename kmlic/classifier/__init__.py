"""From a file of labels to the best model that its images allow."""

from typing import TYPE_CHECKING

from kmlic.lazy_package import lazy_package

if TYPE_CHECKING:
    from kmlic.classifier.classifier_settings import ClassifierSettings
    from kmlic.classifier.train_classifier import train_classifier

__all__ = ["ClassifierSettings", "train_classifier"]

lazy_package(__name__)

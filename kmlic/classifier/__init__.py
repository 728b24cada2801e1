"""From a file of labels to the best model that its images allow."""

from kmlic.classifier.train_classifier import ClassifierSettings, train_classifier

__all__ = ["ClassifierSettings", "train_classifier"]

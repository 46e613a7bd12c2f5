"""Evaluation on patients that the training did not see."""

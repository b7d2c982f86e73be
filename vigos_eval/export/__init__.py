"""Scores for the places where people look: hub model cards, TensorBoard, Weights & Biases."""

from vigos_eval.export.folders import write_tensorboard, write_wandb
from vigos_eval.export.model_index import model_index_text

__all__ = ["model_index_text", "write_tensorboard", "write_wandb"]

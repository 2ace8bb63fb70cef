"""Names of metrics that are written in one place and read in another. No dots: W&B nests keys at them."""

from __future__ import annotations

from collections.abc import Mapping

EVALUATION_RETURN = "evaluation/return_mean"
TRAINING_RETURN = "training/return"
TRAIN_LOSS = "train/loss"
TRAIN_ACCURACY = "evaluation/train_accuracy"
TEST_ACCURACY = "evaluation/test_accuracy"
DORMANT, OVERLAP, RANK, NORMS, CHURN = "dormant", "overlap", "rank", "norms", "churn"
"""What the names of these probes' metrics begin with, before a slash."""
RANKS = ("srank", "stable", "entropy")
FEATURE, WEIGHT, GRADIENT, UPDATE = "feature", "weight", "gradient", "update"
TOTAL = "total"
"""All neurons or layers together."""
DORMANT_TOTAL = f"{DORMANT}/{TOTAL}_tau"
RECYCLED, PRUNED, RESET_LAYERS, PENALTY = "recycled", "pruned", "reset_layers", "penalty"
"""What the names of interventions' metrics go on with, after their own name and a slash."""

FINAL_SCORE, BEST_SCORE, NORMALISED_SCORE = "final/score", "final/best_score", "final/normalised_score"
FINAL_DORMANT_PERCENT, FINAL_UPDATES_PER_S = "final/dormant_percent", "final/updates_per_s"
"""The summary of a run in W&B; in no metrics.csv."""


def tau_text(tau: float) -> str:
    """τ as it ends a metric's name: 0.025 → 0p025."""
    return f"{tau:g}".replace(".", "p")


def tau_value(text: str) -> float:
    """The τ that `tau_text` wrote."""
    return float(text.replace("p", "."))


def dormant_percent(latest: Mapping[str, float]) -> float | None:
    """The newest total dormant %, at the largest τ measured; None before the first measurement."""
    totals = {name: value for name, value in latest.items() if name.startswith(DORMANT_TOTAL)}
    return totals[max(totals, key=lambda name: tau_value(name.removeprefix(DORMANT_TOTAL)))] if totals else None

"""The schemes of intervals by name, for words and captions; imports nothing heavy."""

from __future__ import annotations

RAO_WU = "rao-wu"
RLIABLE = "rliable"
BASIC = "basic"
BIAS_CORRECTED = "bc"
SCHEMES = {
    RAO_WU: "Rao-Wu, t quantiles",
    RLIABLE: "rliable's percentiles",
    BASIC: "basic",
    BIAS_CORRECTED: "bc",
}
"""What captions say of each."""

METRICS = ("iqm", "median", "mean", "optimality_gap")
"""The aggregates of a score table, in the order of its columns."""

"""The GPUs of this machine, without loading torch."""

from __future__ import annotations

import os
import subprocess

ASKED = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
CALL_SECONDS = 20


def visible() -> list[str]:
    """The names in CUDA_VISIBLE_DEVICES, where that is set, else an index for each GPU; empty if there are none."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is not None:
        return [name.strip() for name in listed.split(",") if name.strip() not in ("", "-1")]
    try:
        done = subprocess.run(ASKED, capture_output=True, text=True, timeout=CALL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.split() if done.returncode == 0 else []

"""The precision of the networks inside an update. It lies here because agents don't import each other."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from enum import Enum

import torch

from redo_lab.config import require


class Precision(Enum):
    """fp32, or bf16: matrix products of an update in bfloat16 by autocast; weights, moments and losses stay float32."""

    fp32 = "fp32"
    bf16 = "bf16"

    def autocast(self, device: torch.device) -> AbstractContextManager[object]:
        """Around a forward pass and its loss. Cast weights aren't cached: in a CUDA graph a cache would go stale."""
        if self is Precision.fp32:
            return nullcontext()
        return torch.autocast(device.type, dtype=torch.bfloat16, cache_enabled=False)

    def check(self, device: torch.device) -> None:
        """Raises ConfigError where torch would emulate bfloat16, which is far slower than float32."""
        if self is Precision.fp32:
            return
        if device.type == "cuda":
            require(
                torch.cuda.is_bf16_supported(including_emulation=False),
                f"agent.precision=bf16: {torch.cuda.get_device_name(device)} has no bfloat16 (Ampere and newer have); "
                "use agent.precision=fp32",
            )
        else:
            require(
                cpu_has_bf16(),
                "agent.precision=bf16: this CPU has neither AMX nor AVX512-BF16, so torch would emulate bfloat16, many "
                "times slower than float32; use agent.precision=fp32",
            )


def cpu_has_bf16() -> bool:
    """Whether this processor multiplies matrices of bfloat16 itself."""
    features = torch.cpu.get_capabilities()
    return bool(features.get("amx_bf16") or features.get("avx512_bf16"))

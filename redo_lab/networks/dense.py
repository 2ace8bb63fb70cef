"""A dense layer that takes oneDNN's product of float32 matrices where torch's own, which is MKL's, is slower."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

LEAST = 2**20
"""Multiplications, at least: below that it takes longer to start oneDNN than MKL to finish (heads, single rows)."""


class Dense(nn.Linear):
    """nn.Linear, up to rounding. MKL has no AVX-512 for AMD's processors; oneDNN has, at twice the speed."""

    def forward(self, features: Tensor) -> Tensor:
        """Outputs [N, out] of features [N, in]."""
        if not self._by_onednn(features):
            return super().forward(features)
        features = features.contiguous()
        if torch.is_grad_enabled():
            return _Affine.apply(features, self.weight, self.bias)  # type: ignore[no-any-return, no-untyped-call]
        return product(features, self.weight, self.bias)

    def _by_onednn(self, features: Tensor) -> bool:
        return (
            not torch.compiler.is_compiling()
            and onednn_is_faster()
            and features.device.type == "cpu"
            and features.dtype == self.weight.dtype == torch.float32
            and features.dim() == 2
            and features.shape[0] * self.weight.numel() >= LEAST
            and not torch.is_autocast_enabled("cpu")
        )


@cache
def onednn_is_faster() -> bool:
    """Whether this is a processor of AMD's with AVX-512 (Zen 4 and later), and torch has oneDNN's product."""
    has_product = torch._C._has_mkldnn and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    return has_product and torch.backends.cpu.get_cpu_capability() == "AVX512" and _vendor() == "AuthenticAMD"


def _vendor() -> str | None:
    """The maker of the first processor as /proc/cpuinfo names it; None where that file isn't there."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("vendor_id")), None)


def product(left: Tensor, right: Tensor, bias: Tensor | None = None) -> Tensor:
    """left [N, K] times the transpose of right [M, K], plus bias [M]: what Inductor calls for nn.Linear, too."""
    result: Tensor = torch.ops.mkldnn._linear_pointwise(left, right, bias, "none", [], "")
    return result


class _Affine(torch.autograd.Function):
    """`product` with its gradients, which are products again."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(features, weight)
        return product(features, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        features, weight = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        return (
            product(grad, weight.t()) if wanted[0] else None,
            product(grad.t(), features.t()) if wanted[1] else None,
            grad.sum(0) if wanted[2] else None,
        )

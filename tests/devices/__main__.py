"""`make test-gpu`: these tests on CUDA, the slow ones too; one line where there is none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

if __name__ == "__main__":
    if not torch.cuda.is_available():
        print("test-gpu: skipped: torch finds no CUDA device here")
        sys.exit(0)
    name, version = torch.cuda.get_device_name(), torch.version.cuda
    print(f"test-gpu: {name}, torch {torch.__version__}, CUDA {version}", flush=True)
    sys.exit(pytest.main(["-n", "0", "-k", "cuda", str(Path(__file__).parent), *sys.argv[1:]]))

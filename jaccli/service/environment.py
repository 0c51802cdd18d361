"""The part of a process's environment that a computation depends on, for comparison.

A service that a call has started answers calls with the same environment only: with another one,
it might compute something else.  Standard library only: the client must start fast.
"""

from __future__ import annotations

import os
import sys
from binascii import crc32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

HEADER = "Jaccli-Environment"
"""The header of a request, and of the status 409, that holds `described()`."""

_PREFIXES = (
    "JAX_", "JAXLIB_", "XLA_", "TF_", "PJRT_", "LIBTPU_", "TPU_", "CUDA_", "NVIDIA_", "CUDNN_",
    "NCCL_", "HIP_", "ROCM_", "ROCR_", "OMP_", "OPENBLAS_", "MKL_",
)  # fmt: skip
_NAMES = (
    "NPROC", "JACCLI_NO_CACHE", "XDG_CACHE_HOME", "HOME", "LD_LIBRARY_PATH",
    "LD_PRELOAD", "DYLD_LIBRARY_PATH", "PYTHONHOME", "PYTHONOPTIMIZE",
)  # fmt: skip
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(_PACKAGE)
"""The folder that jaccli is imported from."""


def described(environment: Mapping[str, str] = os.environ) -> str:
    """Return the environment as `NAME=CHECKSUM` for each part of it, in the order of their names.

    Parts are the variables that JAX, XLA, numpy, Python and the cache read, `PYTHONPATH`, and the
    folders of Python and of jaccli (`prefix`, `package`).  Checksums are CRC-32: they tell values
    of one user apart, and show none of them.
    """
    parts = {
        name: value
        for name, value in environment.items()
        if name in _NAMES or name.startswith(_PREFIXES)
    }
    parts |= {
        "PYTHONPATH": os.pathsep.join(p for p in python_path(environment) if p != ROOT),
        "prefix": sys.prefix,
        "package": _PACKAGE,
    }
    return " ".join(
        f"{name}={crc32(os.fsencode(value)):08x}"
        for name, value in sorted(parts.items())
        if value and _is_plain(name)
    )


def python_path(environment: Mapping[str, str]) -> list[str]:
    """Return the folders of PYTHONPATH as absolute names."""
    folders = environment.get("PYTHONPATH", "").split(os.pathsep)
    return [os.path.abspath(folder) for folder in folders if folder]


def differing(ours: str, theirs: str) -> list[str]:
    """Return the names of the parts in which two descriptions differ, sorted."""
    return sorted({part.partition("=")[0] for part in set(ours.split()) ^ set(theirs.split())})


def _is_plain(name: str) -> bool:
    return name.isascii() and name.replace("_", "").isalnum()

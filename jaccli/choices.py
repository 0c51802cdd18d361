"""The words that specs and options share: derivatives, modes, formats and the rest.

Plain tables: this module imports nothing, and everything may import it.  A mode is named here and
built in `derivative/`; a format is named here and built in `result/`; tests hold them together.
"""

from __future__ import annotations

_JACOBIAN_MODES = (
    "auto", "fwd", "rev", "loop",
    "structured", "structured-fwd", "structured-rev",
    "sparse", "tuned",
)  # fmt: skip
_HESSIAN_MODES = (
    "auto", "fwd-fwd", "fwd-rev", "rev-fwd", "rev-rev",
    "structured", "structured-fwd-fwd", "structured-fwd-rev",
    "structured-rev-fwd", "structured-rev-rev",
    "sparse", "tuned",
)  # fmt: skip

MODES: dict[str, tuple[str, ...]] = {
    "evaluate": ("auto",),
    "gradient": _JACOBIAN_MODES,
    "jacobian": _JACOBIAN_MODES,
    "hessian": _HESSIAN_MODES,
    "jvp": ("auto",),
    "vjp": ("auto",),
    "hvp": ("auto", "fwd-rev", "rev-rev", "fwd-fwd", "tuned"),
}
"""The modes of each derivative; Hessian modes are named outer-inner."""

DERIVATIVES = tuple(MODES)
GAUSS_NEWTON = "gauss-newton"
BUILT_ON = {"propagate": "jacobian", "covariance": "jacobian", GAUSS_NEWTON: "hessian"}
"""What else a spec's `derivative:` may say, and the derivative that it is built on."""
REPORTED = ("propagate", "covariance")
"""Those that end in a report, not in a result."""
SPECIFIED = (*DERIVATIVES, *BUILT_ON)
ALL_MODES = tuple(dict.fromkeys(mode for modes in MODES.values() for mode in modes))
DECIDED_MODES = ("auto", "structured", "tuned")
"""Modes that stand for an operator that is chosen: by a rule, by direction, by measurement."""

KEPT_SPARSE = (*DECIDED_MODES, "sparse")
"""Modes that compute the entries alone where the result is kept sparse."""

WITH_VECTOR = ("jvp", "vjp", "hvp")
OF_SCALAR_OUTPUT = ("gradient", "hvp")

SERVED = (*DERIVATIVES, *REPORTED, "run", "plan", "bench", "check", "analyze", "sparsity")
"""The commands that compute with JAX: a service runs them for its clients."""

DISTRIBUTIONS = ("uniform", "triangular", "arcsine")
"""Of an input that lies within a half-width."""
STORAGES = ("dense", "sparse")
PRECISIONS = ("default", "high", "highest")
SYSTEMS = ("continuous", "discrete")
"""Dynamical systems that have equilibria: `x' = f(x)` and `x ← f(x)`."""
SIGMAS = ("estimated", "known")
"""Where the standard deviations of residuals come from."""
APPROXIMATIONS = ("none", GAUSS_NEWTON)
APPROXIMATED = ("hessian", "hvp")
"""Derivatives that have an approximation."""
SCALES = ("none", "relative", "log")
PARTS = ("full", "diagonal", "trace")
PARTED = ("jacobian", "hessian")
"""Derivatives that have a diagonal and a trace."""
RESTRICTED = ("jacobian", "gradient", "hessian")
"""Derivatives that are computed for some rows and columns alone."""
SCALED = ("gradient", "jacobian")
"""Derivatives that have a relative form."""
LAYOUTS = ("blocks", "matrix", "long")
LONG = ("table", "plain", "csv", "tsv", "parquet")
"""The formats that have the long layout: a row for each entry."""
FORMATS = ("table", "plain", "json", "csv", "tsv", "npy", "none")
DRAWN = (".png", ".svg", ".pdf")
"""The formats of figures."""
DOCUMENTS = (".md", ".tex", ".html")
"""The formats of tables and reports for people, which nothing reads back."""
SUFFIXES = (
    ".npy", ".npz", ".csv", ".json", ".mtx", ".tsv", ".parquet", ".mat", ".h5", *DOCUMENTS, *DRAWN
)  # fmt: skip
FLOAT_DTYPES = ("float32", "float64")
TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".dat")
"""Suffixes of input files that hold a table as text."""
INPUT_SUFFIXES = (".npy", ".npz", *TABLE_SUFFIXES)
INPUT_DTYPES = ("float32", "float64", "int64")
ITEM_BYTES = {"float32": 4, "float64": 8, "int64": 8}
DEVICE = r"(?:cpu|gpu|tpu)(?::[0-9]+)?"
"""The pattern of a device's name."""


def modes_of(derivative: str) -> tuple[str, ...]:
    """Return the modes of what a spec's `derivative:` says."""
    return MODES[BUILT_ON.get(derivative, derivative)]

"""Words that people bring from elsewhere, and what they are called here.

A plain table, for suggestions alone: nothing is accepted because it stands here.
"""

from __future__ import annotations

from collections.abc import Collection

_OF: dict[str, str] = {
    "fwd": "forward fw jvp jacfwd",
    "rev": "reverse backward backprop adjoint vjp jacrev",
    "fwd-rev": "forward-over-reverse forward-reverse forward",
    "rev-fwd": "reverse-over-forward reverse-forward reverse",
    "rev-rev": "reverse-over-reverse reverse-reverse",
    "fwd-fwd": "forward-over-forward forward-forward",
    "float32": "float single f32 fp32 float16 half",
    "float64": "double f64 fp64 real",
    "gpu": "cuda nvidia rocm metal",
    "gradient": "grad derivative derive diff differentiate d dx df nabla slope",
    "jacobian": "jac jacobi jacrev jacfwd derivatives sensitivity sensitivities",
    "hessian": "hess second",
    "evaluate": "eval value values compute calculate calc forward primal",
    "propagate": "uncertainty error errors propagation uncertainties",
    "covariance": "cov fit standard-errors",
    "analyze": "analyse spectrum eigenvalues eig eigs stability",
    "validate": "lint verify-spec syntax",
    "functions": "help-expressions language builtins",
    "inputs": "values input at arguments args params parameters variables vars point data x0",
    "model": "expression expressions function f formula equation python code",
    "expression": "formula function expr equation f",
    "expressions": "formulas functions exprs outputs",
    "outputs": "output returns",
    "select": "outputs",
    "wrt": "with-respect-to variables argnums variable respect",
    "vector": "tangent tangents cotangent cotangents direction v seed",
    "batch": "vmap batched batches",
    "chunk": "chunks chunksize chunk_size batch_size",
    "output": "out save write file result path",
    "derivative": "derivatives compute command task of",
    "dtype": "type precision",
    "uncertainty": "std sigma uncertainties errors u",
    "sweep": "grid scan parameters",
}
_SEVERAL: dict[str, list[str]] = {}
for _name, _words in _OF.items():
    for _word in _words.split():
        _SEVERAL.setdefault(_word, []).append(_name)


def meant(word: str, choices: Collection[str]) -> str:
    """Return the choice that a word from elsewhere stands for, or nothing.

    >>> meant("Forward", ["auto", "fwd", "rev"])
    'fwd'
    """
    lower = word.lower()
    if lower in choices:
        return lower
    return next((name for name in _SEVERAL.get(lower, ()) if name in choices), "")

"""The function table: every function an expression may call, as data.

Names, argument orders and defaults are numpy's (or SciPy's).  A signature is both what the user
is shown and what calls are checked against; a parameter's name says what kind of value it takes
(`KINDS`).  Targets are resolved when first called.  Imports neither JAX nor numpy.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

CONSTANTS: dict[str, float] = {"pi": math.pi, "e": math.e, "inf": math.inf, "nan": math.nan}
"""Names with a value; inputs may shadow them."""


_FREE = """
    betainc erfcx expi exp1 multigammaln j0 j1 y0 y1 eigvals nanstd nanvar nanprod cummax cummin
    cumlogsumexp searchsorted take_along_axis segment_sum top_k select piecewise gradient ldexp
"""
FREE = frozenset(_FREE.split())
"""Functions whose names inputs and expressions may have too: `y0` is a value, `y0(x)` a call.

What is added to the table is added here, so that no spec becomes wrong.
"""

SPELLINGS: dict[str, str] = {
    "gamma": "gammafn",
    "beta": "betafn",
    "zeta": "zetafn",
    "ln": "log",
    "pow": "power",
    "lgamma": "gammaln",
    "loggamma": "gammaln",
    "logistic": "sigmoid",
    "psi": "digamma",
    "sgn": "sign",
    "amax": "max",
    "amin": "min",
    "concat": "concatenate",
    "permute_dims": "transpose",
    "true_divide": "divide",
    "fix": "trunc",
}
"""Other names by which functions of the table are called; names of inputs and expressions, too."""


_ORDERS = "There are orders 0 and 1: j0(x), j1(x), y0(x), y1(x), and i0(x), i1(x)."
INSTEAD: dict[str, str] = {
    **dict.fromkeys(("jv", "jn", "yv", "yn", "iv", "bessel"), _ORDERS),
    "eig": "eigvals(a) has the eigenvalues of any matrix, eigh(a) also vectors of a symmetric one.",
    "cond": "Write norm(a, 2) * norm(inv(a), 2).",
    "sec": "Write 1 / cos(x).",
    "csc": "Write 1 / sin(x).",
    "cot": "Write 1 / tan(x).",
    "sqr": "Write square(x) or x**2.",
    "tg": "Write tan(x).",
    "ctg": "Write 1 / tan(x).",
    "arctg": "Write arctan(x).",
    "lg": "Write log10(x), or log2(x).",
    "lb": "Write log2(x).",
    "sh": "Write sinh(x).",
    "ch": "Write cosh(x).",
    "th": "Write tanh(x).",
    "sen": "Write sin(x).",
    "sigma": "Write sigmoid(x).",
    "H": "Write heaviside(x, 0.5).",
    "if": "Write A if CONDITION else B.",
    "ifelse": "Write where(CONDITION, A, B).",
    "root": "Write x**(1/n).",
    "fact": "Write factorial(n).",
    "transp": "Write transpose(x).",
    "mmul": "Write A @ B.",
    "matmult": "Write A @ B.",
    "len": "Write sum(ones_like(x)), or the number itself.",
}
"""What to write in place of functions that are not in the table."""


class FunctionKind(Enum):
    """What a parameter takes.  All but the arrays must be known when the expression is traced."""

    ARRAY = "an array"
    ARRAYS = "a list of arrays"
    INDEX = "an integer, a list of integers or an integer array"
    INTEGER = "a literal integer"
    INTEGERS = "a literal integer or a tuple of them"
    FLAG = "True or False"
    TEXT = "a string"
    ORDER = "a number or a string"


_NAMES: dict[FunctionKind, str] = {
    FunctionKind.ARRAYS: "arrays condlist choicelist funclist",
    FunctionKind.INDEX: "indices segment_ids",
    FunctionKind.INTEGER: "n N M k d num num_segments decimals ddof axis1 axis2 offset",
    FunctionKind.INTEGERS: (
        "axis axes shape reps repeats shift source destination pad_width indices_or_sections"
    ),
    FunctionKind.FLAG: "keepdims endpoint full_matrices lower increasing approximate",
    FunctionKind.TEXT: "subscripts mode indexing side",
    FunctionKind.ORDER: "ord",
}
KINDS: dict[str, FunctionKind] = {
    name: kind for kind, names in _NAMES.items() for name in names.split()
}
"""The kind that a parameter of this name has in every function; the others take arrays."""


class Function(NamedTuple):
    """One row of the table; `target` is `module:name`."""

    name: str
    signature: str
    summary: str
    category: str
    target: str

    def resolve(self) -> Callable[..., Any]:
        """Return the function itself, importing its module (and JAX with it)."""
        module, _, name = self.target.partition(":")
        resolved: Callable[..., Any] = getattr(importlib.import_module(module), name)
        return resolved


_MODULES = {
    "jnp": "jax.numpy",
    "linalg": "jax.numpy.linalg",
    "nn": "jax.nn",
    "special": "jax.scipy.special",
    "scipy": "jax.scipy.linalg",
    "norm": "jax.scipy.stats.norm",
    "own": "jaccli.expression.functions",
}
_LIBRARY = """
    activation bessel betas determinant entropy exponential gammas gated hyperbolic incomplete_beta
    incomplete_gamma logistic modified_bessel normal plane powers selection sine
"""
_MODULES |= {name: f"jaccli.expression.library.{name}" for name in _LIBRARY.split()}

# One line each: signature | summary | target, which is the name in jax.numpy when left out.
_ROWS: dict[str, str] = {
    "trigonometric": """
        sin(x)                | sine, x in radians
        cos(x)                | cosine, x in radians
        tan(x)                | tangent, x in radians
        arcsin(x)             | inverse sine, in radians
        arccos(x)             | inverse cosine, in radians
        arctan(x)             | inverse tangent, in radians
        arctan2(x1, x2)       | angle of the point (x2, x1), in radians | plane
        asin(x)               | the same as arcsin
        acos(x)               | the same as arccos
        atan(x)               | the same as arctan
        atan2(x1, x2)         | the same as arctan2 | plane:arctan2
        sinh(x)               | hyperbolic sine
        cosh(x)               | hyperbolic cosine
        tanh(x)               | hyperbolic tangent | hyperbolic
        arcsinh(x)            | inverse hyperbolic sine | hyperbolic
        arccosh(x)            | inverse hyperbolic cosine | hyperbolic
        arctanh(x)            | inverse hyperbolic tangent | hyperbolic
        asinh(x)              | the same as arcsinh | hyperbolic:arcsinh
        acosh(x)              | the same as arccosh | hyperbolic:arccosh
        atanh(x)              | the same as arctanh | hyperbolic:arctanh
        sinc(x)               | sin(pi*x) / (pi*x), 1 at 0 | sine
        deg2rad(x)            | degrees to radians
        rad2deg(x)            | radians to degrees
        hypot(x1, x2)         | sqrt(x1**2 + x2**2) | plane
    """,
    "elementwise": """
        abs(x)                | absolute value
        absolute(x)           | the same as abs
        sign(x)               | -1, 0 or 1
        exp(x)                | e**x
        exp2(x)               | 2**x
        expm1(x)              | exp(x) - 1, accurate near 0 | hyperbolic
        log(x)                | natural logarithm
        log2(x)               | logarithm to base 2
        log10(x)              | logarithm to base 10
        log1p(x)              | log(1 + x), accurate near 0
        logaddexp(x1, x2)     | log(exp(x1) + exp(x2)) without overflow | logistic
        logaddexp2(x1, x2)    | log2(2**x1 + 2**x2) without overflow | logistic
        sqrt(x)               | square root
        cbrt(x)               | cube root
        square(x)             | x**2
        reciprocal(x)         | 1 / x
        power(x1, x2)         | x1**x2 | powers
        add(x1, x2)           | x1 + x2
        subtract(x1, x2)      | x1 - x2
        multiply(x1, x2)      | x1 * x2
        divide(x1, x2)        | x1 / x2
        negative(x)           | -x
        floor_divide(x1, x2)  | x1 // x2
        mod(x1, x2)           | x1 % x2, with the sign of x2
        remainder(x1, x2)     | the same as mod
        fmod(x1, x2)          | remainder with the sign of x1
        maximum(x1, x2)       | the larger of two, NaN if either is
        minimum(x1, x2)       | the smaller of two, NaN if either is
        fmax(x1, x2)          | the larger of two, ignoring NaN
        fmin(x1, x2)          | the smaller of two, ignoring NaN
        clip(x, min=None, max=None)    | x kept between min and max
        where(condition, x, y)         | x where the condition holds, y elsewhere
        heaviside(x1, x2)     | 0 below 0, 1 above, x2 at 0
        copysign(x1, x2)      | x1 with the sign of x2
        floor(x)              | next integer below
        ceil(x)               | next integer above
        trunc(x)              | next integer towards 0
        rint(x)               | nearest integer, halves to even
        round(x, decimals=0)  | nearest number with so many decimals, halves to even
        ldexp(x1, x2)         | x1 * 2**x2, x2 being whole | selection
        select(condlist, choicelist, default=0) | the first choice whose condition holds | selection
        piecewise(x, condlist, funclist)         | the last value whose condition holds | selection
        nan_to_num(x, nan=0.0, posinf=None, neginf=None) | NaN and infinities replaced
    """,
    "comparison": """
        equal(x1, x2)         | x1 == x2
        not_equal(x1, x2)     | x1 != x2
        less(x1, x2)          | x1 < x2
        less_equal(x1, x2)    | x1 <= x2
        greater(x1, x2)       | x1 > x2
        greater_equal(x1, x2) | x1 >= x2
        isclose(x1, x2, rtol=1e-05, atol=1e-08) | whether x1 and x2 agree to a tolerance
        isnan(x)              | whether x is NaN
        isinf(x)              | whether x is infinite
        isfinite(x)           | whether x is neither NaN nor infinite
        signbit(x)            | whether the sign is minus
        logical_and(x1, x2)   | whether both hold
        logical_or(x1, x2)    | whether one or both hold
        logical_xor(x1, x2)   | whether exactly one holds
        logical_not(x)        | whether x does not hold
    """,
    "reduction": """
        sum(x, axis=None, keepdims=False)          | sum
        prod(x, axis=None, keepdims=False)         | product
        mean(x, axis=None, keepdims=False)         | mean
        average(x, axis=None, weights=None)        | weighted mean
        median(x, axis=None, keepdims=False)       | median
        quantile(x, q, axis=None, keepdims=False)  | quantile, q between 0 and 1
        percentile(x, q, axis=None, keepdims=False) | quantile, q between 0 and 100
        var(x, axis=None, ddof=0, keepdims=False)  | variance, divided by the count minus ddof
        std(x, axis=None, ddof=0, keepdims=False)  | standard deviation
        max(x, *, axis=None, keepdims=False)       | largest entry; of two arrays: maximum
        min(x, *, axis=None, keepdims=False)       | smallest entry; of two arrays: minimum
        ptp(x, axis=None, keepdims=False)          | largest minus smallest entry
        any(x, axis=None, keepdims=False)          | whether any entry holds
        all(x, axis=None, keepdims=False)          | whether all entries hold
        argmax(x, axis=None, keepdims=False)       | position of the largest entry
        argmin(x, axis=None, keepdims=False)       | position of the smallest entry
        count_nonzero(x, axis=None, keepdims=False) | number of entries that are not 0
        nansum(x, axis=None, keepdims=False)       | sum, ignoring NaN
        nanmean(x, axis=None, keepdims=False)      | mean, ignoring NaN
        nanmax(x, axis=None, keepdims=False)       | largest entry, ignoring NaN
        nanmin(x, axis=None, keepdims=False)       | smallest entry, ignoring NaN
        nanprod(x, axis=None, keepdims=False)      | product, ignoring NaN
        nanvar(x, axis=None, ddof=0, keepdims=False) | variance, ignoring NaN | selection
        nanstd(x, axis=None, ddof=0, keepdims=False) | standard deviation, ignoring NaN | selection
        cummax(x, axis=None)  | running maximum | selection
        cummin(x, axis=None)  | running minimum | selection
        cumlogsumexp(x, axis=None)                 | running log(sum(exp(x))) | selection
        segment_sum(x, segment_ids, num_segments=None) | sums of entries of the same id | selection
        logsumexp(x, axis=None, b=None, keepdims=False) | log(sum(b * exp(x))) | special
        cumsum(x, axis=None)  | running sum
        cumprod(x, axis=None) | running product
        diff(x, n=1, axis=-1) | difference of neighbors, n times | own
        gradient(f, spacing=1.0, axis=None)        | central differences, as numpy's | selection
        trapezoid(y, x=None, dx=1.0, axis=-1)      | integral by the trapezoidal rule
        cov(x)                | covariance of the rows of x
        corrcoef(x)           | correlation of the rows of x
    """,
    "linear algebra": """
        dot(a, b)             | inner product, or product of matrices
        vdot(a, b)            | inner product of the flattened arrays
        vecdot(x1, x2)        | inner product along the last axis
        inner(a, b)           | sum of products along the last axes
        outer(a, b)           | products of all pairs
        matmul(a, b)          | a @ b
        tensordot(a, b, axes=2)        | sum of products over the given axes
        einsum(subscripts, *operands)  | Einstein summation: einsum('ij,j->i', a, x)
        kron(a, b)            | Kronecker product
        cross(a, b)           | cross product of vectors of length 3
        trace(x, offset=0, axis1=0, axis2=1) | sum of the diagonal
        norm(x, ord=None, axis=None, keepdims=False) | norm of a vector or matrix | linalg
        det(a)                | determinant | determinant
        slogdet(a)            | (sign, log of the absolute value) of the determinant | linalg
        logdet(a)             | log of the determinant's absolute value | own
        inv(a)                | inverse of a matrix | linalg
        pinv(a)               | pseudo-inverse | linalg
        solve(a, b)           | x with a @ x == b | linalg
        solve_triangular(a, b, lower=False) | x with a @ x == b, a being triangular | scipy
        lstsq(a, b)           | (x, residuals, rank, s) of the least-squares problem | linalg
        cholesky(a)           | lower triangular factor l with l @ l.T == a | linalg
        qr(a)                 | (q, r) with q @ r == a | linalg
        svd(a, full_matrices=False)    | (u, s, vh), the singular value decomposition | own
        svdvals(x)            | singular values, largest first | linalg
        eigh(a)               | (eigenvalues, eigenvectors) of a symmetric matrix | linalg
        eigvalsh(a)           | eigenvalues of a symmetric matrix, smallest first | linalg
        eigvals(a)            | eigenvalues, real and imaginary parts as the last axis | selection
        matrix_power(a, n)    | a @ a @ ..., n times | linalg
        expm(a)               | matrix exponential | scipy
        triu(x, k=0)          | upper triangle
        tril(x, k=0)          | lower triangle
        toeplitz(c, r=None)   | matrix with constant diagonals | scipy
        block_diag(*arrays)   | the matrices along the diagonal of a larger one | scipy
    """,
    "shape": """
        reshape(x, shape)     | the same entries in another shape
        ravel(x)              | the entries in one axis
        transpose(x, axes=None)        | axes reversed, or in the given order
        swapaxes(x, axis1, axis2)      | two axes exchanged
        moveaxis(x, source, destination) | axes moved to other positions
        squeeze(x, axis=None) | without the axes of size 1
        expand_dims(x, axis)  | with a new axis of size 1
        broadcast_to(x, shape) | repeated to a shape
        concatenate(arrays, axis=0)    | joined along an axis
        stack(arrays, axis=0) | joined along a new axis
        hstack(arrays)        | joined along the second axis (the first, of vectors)
        vstack(arrays)        | joined as rows
        column_stack(arrays)  | joined as columns
        append(x, values, axis=None)   | x followed by values
        split(x, indices_or_sections, axis=0) | the parts of x, as in split(x, 3)[0]
        tile(x, reps)         | the whole repeated
        repeat(x, repeats, axis=None)  | each entry repeated | own
        roll(x, shift, axis=None)      | entries shifted, the last becoming the first
        flip(x, axis=None)    | entries in reverse order
        fliplr(x)             | columns in reverse order
        flipud(x)             | rows in reverse order
        rot90(x, k=1)         | turned by k right angles
        diag(x, k=0)          | diagonal of a matrix, or matrix with this diagonal
        diagonal(x, offset=0, axis1=0, axis2=1) | diagonal
        pad(x, pad_width, mode='constant')      | with a border, zero by default
        sort(x, axis=-1)      | smallest entries first
        argsort(x, axis=-1)   | positions of the entries, smallest first
        take(x, indices, axis=None)    | entries at these positions, NaN outside | own
        take_along_axis(x, indices, axis=-1)       | entries by an index for each | selection
        searchsorted(a, v, side='left')            | where v would stand in the sorted a
        top_k(x, k)           | (the k largest entries, their positions), last axis | selection
        meshgrid(*xi, indexing='xy')   | (grid of x, grid of y, ...)
        convolve(a, v, mode='full')    | discrete convolution
        correlate(a, v, mode='valid')  | discrete cross-correlation
        interp(x, xp, fp)     | linear interpolation of the points (xp, fp) at x
        polyval(p, x)         | polynomial, coefficient of the highest power first
        shape(x)              | sizes of the axes, as literal integers | own
        size(x, axis=None)    | number of entries, as a literal integer | own
        ndim(x)               | number of axes, as a literal integer | own
    """,
    "creation": """
        array(x)              | array of a list: array([1, x, 3]) | own
        zeros(*shape)         | array of zeros: zeros(3), zeros(2, 3) or zeros((2, 3)) | own
        ones(*shape)          | array of ones | own
        full(shape, fill_value)        | array with the same value everywhere
        zeros_like(x)         | zeros in the shape of x
        ones_like(x)          | ones in the shape of x
        full_like(x, fill_value)       | the same value in the shape of x
        eye(N, M=None, k=0)   | ones on the k-th diagonal
        identity(n)           | identity matrix
        tri(N, M=None, k=0)   | ones on and below the k-th diagonal
        arange(start, stop=None, step=1)        | numbers from start to below stop | own
        linspace(start, stop, num=50, endpoint=True)  | evenly spaced numbers
        logspace(start, stop, num=50, endpoint=True)  | 10**linspace(start, stop)
        vander(x, N=None, increasing=False)     | Vandermonde matrix
    """,
    "activation": """
        relu(x)               | max(x, 0) | nn
        relu6(x)              | relu, at most 6 | nn
        sigmoid(x)            | 1 / (1 + exp(-x)) | logistic
        softplus(x)           | log(1 + exp(x)) | logistic
        gelu(x, approximate=True)      | x times the normal distribution's cdf | gated
        silu(x)               | x * sigmoid(x) | gated
        swish(x)              | the same as silu | gated:silu
        mish(x)               | x * tanh(softplus(x)) | gated
        elu(x, alpha=1.0)     | x above 0, alpha * (exp(x) - 1) below | activation
        celu(x, alpha=1.0)    | x above 0, alpha * (exp(x / alpha) - 1) below | activation
        selu(x)               | scaled elu | activation
        leaky_relu(x, negative_slope=0.01)      | x above 0, negative_slope * x below | nn
        softmax(x, axis=-1)   | exp(x) / sum(exp(x)) | nn
        log_softmax(x, axis=-1)        | log(softmax(x)) | nn
        log_sigmoid(x)        | log(sigmoid(x)) | logistic
        hard_tanh(x)          | x kept between -1 and 1 | nn
        hard_sigmoid(x)       | relu6(x + 3) / 6 | nn
        hard_silu(x)          | x * hard_sigmoid(x) | nn
        soft_sign(x)          | x / (1 + abs(x)) | activation
        squareplus(x, b=4.0)  | (x + sqrt(x**2 + b)) / 2 | activation
    """,
    # `gamma`, `beta` and `zeta` stay free for parameters, which often have these names.
    "special": """
        erf(x)                | error function | special
        erfc(x)               | 1 - erf(x), accurate for large x | special
        erfinv(x)             | inverse of erf | special
        gammafn(x)            | gamma function | gammas
        gammaln(x)            | log of the gamma function's absolute value | gammas
        digamma(x)            | derivative of gammaln | gammas
        polygamma(n, x)       | n-th derivative of digamma | gammas
        gammainc(a, x)        | regularized lower incomplete gamma function | incomplete_gamma
        gammaincc(a, x)       | regularized upper incomplete gamma function | incomplete_gamma
        factorial(x)          | gammafn(x + 1) | gammas
        betafn(a, b)          | beta function | betas
        betaln(a, b)          | log of the beta function | betas
        zetafn(x, q)          | Hurwitz zeta function | special:zeta
        betainc(a, b, x)      | regularized incomplete beta function | incomplete_beta
        multigammaln(a, d)    | log of the multivariate gamma function | special
        erfcx(x)              | exp(x**2) * erfc(x) without overflow | exponential
        expi(x)               | exponential integral Ei | exponential
        exp1(x)               | exponential integral E1, x above 0 | exponential
        j0(x)                 | Bessel function of the first kind, order 0 | bessel
        j1(x)                 | Bessel function of the first kind, order 1 | bessel
        y0(x)                 | Bessel function of the second kind, order 0, x above 0 | bessel
        y1(x)                 | Bessel function of the second kind, order 1, x above 0 | bessel
        i0(x)                 | modified Bessel function of order 0 | modified_bessel
        i0e(x)                | exp(-abs(x)) * i0(x) | modified_bessel
        i1(x)                 | modified Bessel function of order 1 | modified_bessel
        i1e(x)                | exp(-abs(x)) * i1(x) | modified_bessel
        expit(x)              | the same as sigmoid | logistic:sigmoid
        logit(x)              | log(x / (1 - x)) | special
        xlogy(x, y)           | x * log(y), 0 where x is 0 | special
        xlog1py(x, y)         | x * log(1 + y), 0 where x is 0 | special
        entr(x)               | -x * log(x), 0 where x is 0 | special
        rel_entr(p, q)        | p * log(p / q) | entropy
        kl_div(p, q)          | p * log(p / q) - p + q | entropy
        ndtr(x)               | normal distribution's cdf | special
        log_ndtr(x)           | log of ndtr | normal
        ndtri(p)              | inverse of ndtr | normal
        normal_pdf(x, loc=0, scale=1)  | normal distribution's density | norm:pdf
        normal_logpdf(x, loc=0, scale=1) | log of the normal distribution's density | norm:logpdf
    """,
}


def _row(line: str, category: str) -> Function:
    """Return the function that a line of the table describes."""
    signature, summary, *rest = (part.strip() for part in line.split("|"))
    name = signature.partition("(")[0]
    module, _, target = (rest[0] if rest else "jnp").partition(":")
    return Function(name, signature, summary, category, f"{_MODULES[module]}:{target or name}")


FUNCTIONS: dict[str, Function] = {
    row.name: row
    for category, rows in _ROWS.items()
    for row in (_row(line, category) for line in rows.strip().splitlines())
}
"""Every function by name, category by category."""


def functions() -> list[Function]:
    """Return the table sorted by category, then by name: what `jaccli functions` lists."""
    return sorted(FUNCTIONS.values(), key=lambda function: (function.category, function.name))

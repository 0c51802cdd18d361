"""Rules of element-wise linear primitives: they act on values and keep every link."""

from __future__ import annotations

import operator
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaccli.derivative.structured import index_maps
from jaccli.derivative.structured.index_maps import Shape
from jaccli.derivative.structured.linear_map import Linear, Term
from jaccli.derivative.structured.registry import (
    Equation,
    NoStructure,
    Operand,
    out_shape,
    result,
    rule,
    term_rule,
)


def _terms(operand: Operand, shape: Shape) -> list[Term]:
    """Return the terms of an operand, for a result of `shape`; a constant can only be 0.

    Dims of size 1 are broadcast as they are; a scalar gets them.
    """
    if not isinstance(operand, Linear):
        return []
    if len(operand.shape) == len(shape):
        return list(operand.terms)
    ones = (1,) * (len(shape) - len(operand.shape))
    return [
        term.with_near(
            lambda val, t=term: val.reshape(t.seed.order(ones, t.far)),  # type: ignore[misc]
            lambda link: link.reshape(ones),
        )
        for term in operand.terms
    ]


@rule("mul", with_known=True)
def multiply(eqn: Equation, a: Operand, b: Operand) -> Linear:
    """(c ⊙ x)' = c ⊙ x': the values are scaled by the near-shaped c."""
    if isinstance(a, Linear) and isinstance(b, Linear):
        raise NoStructure
    x, c = (a, b) if isinstance(a, Linear) else (b, a)
    terms = _terms(x, out_shape(eqn))
    # Of a mask; a single 0 is a factor like others, that makes NaN of an infinity.
    if isinstance(c, np.ndarray) and c.dtype.kind == "f" and c.size > 1 and not np.all(c):
        terms = [part for t in terms for part in _cleared(t, c != 0)]
    return result(eqn, [t.scaled(operator.mul, c) for t in terms])


def _cleared(term: Term, keep: np.ndarray) -> list[Term]:
    """Return the term with no links where the near-shaped `keep` is false; none if it nowhere is.

    The values there must become 0.
    """
    if not keep.any():
        return []
    if not keep.shape or keep.all():
        return [term]
    maps = tuple(
        None if link is None else index_maps.narrow(np.where(keep, link, np.int32(-1)))
        for link in term.links
    )
    return [replace(term, links=maps)]


@rule("div")
def divide(eqn: Equation, x: Operand, c: Operand) -> Linear:
    """(x / c)' = x' / c."""
    if isinstance(c, Linear):
        raise NoStructure
    return result(eqn, [t.scaled(operator.truediv, c) for t in _terms(x, out_shape(eqn))])


@rule("add", "add_any")
def add(eqn: Equation, a: Operand, b: Operand) -> Linear:
    """(a + b)' = a' + b': terms with matching links are joined.  A constant can only be 0."""
    shape = out_shape(eqn)
    return result(eqn, [*_terms(a, shape), *_terms(b, shape)])


@rule("sub")
def subtract(eqn: Equation, a: Operand, b: Operand) -> Linear:
    """(a − b)' = a' + (−b')."""
    shape = out_shape(eqn)
    minus = [_negated(term) for term in _terms(b, shape)]
    return result(eqn, [*_terms(a, shape), *minus])


@term_rule("neg")
def negate(eqn: Equation, term: Term, shape: Shape) -> Term:
    """(−x)' = −x'."""
    return _negated(term)


def _negated(term: Term) -> Term:
    return term.scaled(operator.mul, np.asarray(-1, term.val.dtype))


@term_rule("convert_element_type", "reduce_precision", "real", "imag", "conj")
def convert(eqn: Equation, term: Term, shape: Shape) -> Term:
    """φ(x)' = φ(x') for a real-linear φ of each element: links are 0 or 1, so φ passes them."""
    name, params = eqn.primitive.name, eqn.params
    if name == "convert_element_type":
        complex_to_real = jnp.iscomplexobj(term.val) and not jnp.issubdtype(
            params["new_dtype"], jnp.complexfloating
        )
        val = jnp.real(term.val) if complex_to_real else term.val
        return replace(term, val=lax.convert_element_type(val, params["new_dtype"]))
    if name == "reduce_precision":
        exponent, mantissa = params["exponent_bits"], params["mantissa_bits"]
        return replace(term, val=lax.reduce_precision(term.val, exponent, mantissa))
    return replace(term, val={"real": jnp.real, "imag": jnp.imag, "conj": jnp.conj}[name](term.val))


@term_rule("copy", "name", "optimization_barrier", "sharding_constraint")
def keep(eqn: Equation, term: Term, shape: Shape) -> Term:
    """X' = x'."""
    return term


@rule("select_n")
def select(eqn: Equation, which: Operand, *cases: Operand) -> Linear:
    """select(w, x_0, x_1, …)' = Σ_k [w == k] ⊙ x_k'."""
    if isinstance(which, Linear):
        raise NoStructure
    shape, terms = out_shape(eqn), []
    for k, case in enumerate(cases):
        chosen = which == k if which.dtype != np.bool_ else (which if k else ~which)
        terms += [part for term in _terms(case, shape) for part in masked(term, chosen)]
    return result(eqn, terms)


def masked(term: Term, keep: Any) -> list[Term]:
    """Return the term with zeros where the near-shaped `keep` is false."""
    parts = [term]
    if isinstance(keep, np.ndarray | np.generic):
        if np.all(keep):
            return parts
        parts = _cleared(term, np.asarray(keep))
    mask = term.align(keep)
    return [
        replace(part, val=jnp.where(mask, part.val, np.zeros((), part.val.dtype))) for part in parts
    ]

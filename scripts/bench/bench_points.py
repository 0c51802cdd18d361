"""Print what small derivatives of many points cost, against `jax.vmap` and C++ by hand.

    python scripts/bench/bench_points.py [--seconds S] [--gradbench FOLDER]

Each row is a small function of some numbers at many points in float64: as jaccli runs a batch
(`jaccli.derivative.points`), and as `jax.vmap` of JAX's own derivative runs it.  Programs are
compiled before, run alternately in one process on the cores of the process; medians.  With a
checkout of github.com/gradbench/gradbench (MIT) and `g++`, bundle adjustment is also held against
its `manual` C++, on one core and on two threads, compiled with `-O3 -march=native`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from measuring import alternate

from jaccli.derivative import operators, points

CPP = r"""
#define BA_NCAMPARAMS 11
#define BA_ROT_IDX 0
#define BA_C_IDX 3
#define BA_F_IDX 6
#define BA_X0_IDX 7
#define BA_RAD_IDX 9
#include "ba_d.hpp"
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>
#include <thread>
#include <vector>
int main() {
  const int n = 31843;
  std::mt19937 g(0);
  std::normal_distribution<double> d;
  std::vector<double> P(n * 15), O(n * 2), J(n * 30), E(n * 2);
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < 15; j++) P[i * 15 + j] = .3 * d(g);
    P[i * 15 + 5] += 3;
    P[i * 15 + 6] = 500;
  }
  for (auto& x : O) x = d(g);
  for (int threads = 1; threads <= 2; threads++) {
    std::vector<double> t;
    for (int run = 0; run < 60; run++) {
      auto start = std::chrono::steady_clock::now();
      auto work = [&](int low, int high) {
        for (int i = low; i < high; i++)
          compute_reproj_error_d(&P[i * 15], &P[i * 15 + 11], P[i * 15 + 14], O[i * 2],
                                 O[i * 2 + 1], &E[i * 2], &J[i * 30]);
      };
      if (threads == 1) {
        work(0, n);
      } else {
        std::thread other(work, 0, n / 2);
        work(n / 2, n);
        other.join();
      }
      std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
      t.push_back(took.count());
    }
    std::sort(t.begin(), t.end());
    printf("%.2f\n", t[30]);
  }
}
"""


def bundle_adjustment(p: Any, seen: Any) -> Any:
    """Return the reprojection error (2,) of a camera, a point and a weight (15,)."""
    r, center, f, x0, k, point, weight = p[:3], p[3:6], p[6], p[7:9], p[9:11], p[11:14], p[14]
    away, angle = point - center, jnp.sqrt(jnp.sum(r * r))
    u, c, s = r / angle, jnp.cos(angle), jnp.sin(angle)
    turned = away * c + jnp.cross(u, away) * s + u * (jnp.dot(u, away) * (1 - c))
    image = turned[:2] / turned[2]
    square = jnp.sum(image * image)
    image = image * (1 + k[0] * square + k[1] * square * square)
    return weight * (f * image + x0 - seen)


def hand(p: Any, bone: Any) -> Any:
    """Return a point (3,) at the end of three turned bones, by 9 angles and 3 of translation."""

    def turn(angles: Any, v: Any) -> Any:
        (a, b, c), (x, y, z) = angles, v
        x, y = jnp.cos(a) * x - jnp.sin(a) * y, jnp.sin(a) * x + jnp.cos(a) * y
        y, z = jnp.cos(b) * y - jnp.sin(b) * z, jnp.sin(b) * y + jnp.cos(b) * z
        z, x = jnp.cos(c) * z - jnp.sin(c) * x, jnp.sin(c) * z + jnp.cos(c) * x
        return jnp.stack([x, y, z])

    tip = bone
    for angles in (p[:3], p[3:6], p[6:9]):
        tip = turn(angles, tip) + bone
    return tip + p[9:]


def option(p: Any, strike: Any) -> Any:
    """Return the price of a call option by spot, volatility, rate and time (Black-Scholes)."""
    spot, sigma, rate, time = p
    d1 = (jnp.log(spot / strike) + (rate + sigma**2 / 2) * time) / (sigma * jnp.sqrt(time))
    phi = jax.scipy.stats.norm.cdf
    return spot * phi(d1) - strike * jnp.exp(-rate * time) * phi(d1 - sigma * jnp.sqrt(time))


def kepler(p: Any, _: Any) -> Any:
    """Return the place (2,) on an ellipse by eccentricity, mean anomaly and axis."""
    e, mean, a = p

    def step(_: Any, x: Any) -> Any:
        return x - (x - e * jnp.sin(x) - mean) / (1 - e * jnp.cos(x))

    x = jax.lax.fori_loop(0, 8, step, mean)
    return jnp.stack([a * (jnp.cos(x) - e), a * jnp.sqrt(1 - e**2) * jnp.sin(x)])


def cases() -> list[tuple[str, Callable[..., Any], str, str, Any, Any, Any]]:
    """Return title, function, derivative, operator, JAX's own, points and what goes with them."""
    rng = np.random.default_rng(0)
    n = 31_843
    ba = rng.normal(size=(n, 15)) * 0.3
    ba[:, 5] += 3
    ba[:, 6] = 500
    m = 100_000
    market = np.stack(
        [rng.uniform(a, b, m) for a, b in ((80, 120), (0.1, 0.5), (0.0, 0.05), (0.1, 2))], 1
    )
    strikes = rng.uniform(80, 120, m)
    orbit = np.stack([rng.uniform(a, b, m) for a, b in ((0.01, 0.6), (0, 6.28), (1, 5))], 1)
    hands = rng.normal(size=(n, 12))
    return [
        ("bundle adjustment 2x15", bundle_adjustment, "jacobian", "structured-rev", jax.jacrev, ba,
         rng.normal(size=(n, 2))),
        ("hand 3x12", hand, "jacobian", "structured-rev", jax.jacrev, hands,
         rng.normal(size=(n, 3))),
        ("Black-Scholes gradient 4", option, "gradient", "rev", jax.grad, market, strikes),
        ("Black-Scholes Hessian 4x4", option, "hessian", "structured-fwd-rev", jax.hessian, market,
         strikes),
        ("Kepler 2x3, 8 steps", kepler, "jacobian", "structured-fwd", jax.jacfwd, orbit,
         np.zeros(m)),
    ]  # fmt: skip


def manual(folder: Path) -> list[float]:
    """Return the milliseconds of GradBench's `manual` on one core, and on two threads."""
    with tempfile.TemporaryDirectory() as made:
        there = Path(made)
        (there / "gradbench" / "evals").mkdir(parents=True)
        (there / "gradbench" / "evals" / "ba.hpp").write_text("")
        (there / "points.cpp").write_text(CPP)
        includes = [f"-I{there}", f"-I{folder}/tools/manual", f"-I{folder}/cpp"]
        program = str(there / "points")
        flags = ["-O3", "-march=native", "-pthread", "-std=c++17"]
        command = ["g++", *flags, *includes, str(there / "points.cpp"), "-o", program]
        subprocess.run(command, check=True)
        out = subprocess.run([program], check=True, capture_output=True, text=True).stdout
        return [float(line) for line in out.split()]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--gradbench", type=Path)
    args = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    cores = len(os.sched_getaffinity(0))
    print(f"JAX {jax.__version__}, {cores} cores, float64, medians of alternating runs")
    print(f"{'':27}{'points':>9}{'jaccli':>10}{'vmap':>10}{'faster':>8}{'compile':>16}{'off':>9}")
    for title, f, derivative, operator, own, x, rest in cases():
        x, rest = jnp.asarray(x), jnp.asarray(rest)
        by_operator = operators.REGISTRIES[derivative][operator]

        def row(p: Any, q: Any, f: Any = f, by: Any = by_operator) -> Any:
            return by(lambda p: f(p, q), p)

        functions = {"jaccli": points.mapped(row, (0, 0)), "vmap": jax.vmap(own(f))}
        compiled: dict[str, Any] = {}
        compiling: dict[str, float] = {}
        for name, function in functions.items():
            start = time.perf_counter()
            compiled[name] = compile_(function, x, rest)
            compiling[name] = time.perf_counter() - start
        results = {name: np.asarray(run(x, rest)) for name, run in compiled.items()}
        off = np.abs(results["jaccli"] - results["vmap"]).max() / np.abs(results["vmap"]).max()
        runs = {name: partial(waiting, run, x, rest) for name, run in compiled.items()}
        took = alternate(runs, args.seconds)
        ms = {name: 1e3 * median(times) for name, times in took.items()}
        built = "/".join(f"{compiling[name]:.2f}" for name in functions)
        print(
            f"{title:27}{len(x):9,}{ms['jaccli']:7.2f} ms{ms['vmap']:7.2f} ms"
            f"{ms['vmap'] / ms['jaccli']:7.1f}x{built:>14} s{off:9.0e}",
            flush=True,
        )
        if args.gradbench and f is bundle_adjustment:
            one, two = manual(args.gradbench)
            print(
                f"{'  GradBench manual, C++':27}{'':9}{one:7.2f} ms one core, {two:.2f} ms two:"
                f" jaccli {ms['jaccli'] / one:.2f} and {ms['jaccli'] / two:.2f} of it"
            )


def waiting(run: Callable[..., Any], *args: Any) -> Any:
    """Return the result when it is there."""
    return jax.block_until_ready(run(*args))


def compile_(function: Any, *args: Any) -> Any:
    """Return the compiled program of a function that JAX has not seen."""
    return jax.jit(lambda *args: function(*args)).lower(*args).compile()


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Fits the polynomials behind the float32 erf, erfc and exp2 (tensor/cpu/math-inl.h, exponential.cpp, attention_rows.cpp).

erf(x) = x P(x^2) for |x| < 1, erfc(t) = exp(-t^2) w P(w) with w = 1 / (1 + t / 2) for 0 <= t <= 10.2, and 2^x = P(x) for
|x| <= 1/2. All P are those of least relative error, found by Lawson's algorithm: least squares whose weights grow where
the error is large.
Needs numpy and mpmath. Prints the largest relative error and the coefficients, lowest power first.
"""

import mpmath
import numpy

mpmath.mp.dps = 40


def fit(function, low, high, degree, rounds=400, nodes=2000):
    points = (low + high) / 2 + (high - low) / 2 * numpy.cos(numpy.pi * (numpy.arange(nodes) + 0.5) / nodes)
    values = numpy.array([float(function(mpmath.mpf(float(point)))) for point in points])
    basis = numpy.polynomial.chebyshev.chebvander((2 * points - low - high) / (high - low), degree) / values[:, None]
    weights, best = numpy.ones(nodes), (numpy.inf, None)
    for _ in range(rounds):
        root = numpy.sqrt(weights)
        chebyshev = numpy.linalg.lstsq(basis * root[:, None], root, rcond=None)[0]
        error = numpy.abs(basis @ chebyshev - 1)
        if error.max() < best[0]:
            best = error.max(), chebyshev
        weights *= error / error.max() + 1e-3
        weights /= weights.mean()
    polynomial = numpy.polynomial.Chebyshev(best[1], domain=[low, high]).convert(kind=numpy.polynomial.Polynomial)
    return best[0], [float(c) for c in polynomial.coef]


def erf_part(square):
    return mpmath.erf(mpmath.sqrt(square)) / mpmath.sqrt(square)


def erfc_part(w):
    t = 2 * (1 / w - 1)
    return mpmath.erfc(t) * mpmath.exp(t * t) / w


if __name__ == "__main__":
    print("erf ", *fit(erf_part, 1e-12, 1.0, 6))
    print("erfc", *fit(erfc_part, 1 / (1 + 10.2 / 2), 1.0, 8))
    print("exp2", *fit(lambda x: mpmath.power(2, x), -0.5, 0.5, 5))

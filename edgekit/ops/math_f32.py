"""Elementary functions in float32 with every rounding step defined, so that firmware can equal them bit for bit.

Each function is the same sequence of IEEE single-precision operations as its twin in runtime_c/include/ek_math_f32.h;
no operation is fused and no library is called. Coefficients are minimax fits of the named functions on the named
intervals. Errors are a few units in the last place; sines and cosines are meant for arguments below 10 000.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

F32 = np.float32
Floats = npt.NDArray[np.float32]

LOG2_E = F32(1.442695)
LN2_HIGH = F32(0.693359375)
LN2_LOW = F32(-0.00021219444)
HALF_PI_HIGH = F32(1.5703125)
HALF_PI_MIDDLE = F32(0.00048375130)
HALF_PI_LOW = F32(7.549790e-08)
HALF_PI = F32(1.5707964)
QUARTER_PI = F32(0.7853982)
SQRT_HALF = F32(0.70710678)
TWO_OVER_PI = F32(0.63661975)

# Highest power first. exp on [-0.35, 0.35]; the others in z = x * x, for f(x) / x unless said.
EXP = (0.001383581, 0.008375635, 0.04166829, 0.16666411, 0.4999999, 1.0, 1.0)
LOG = (0.23646213, 0.285335, 0.4000041, 0.6666666, 2.0)
SIN = (-0.00019497333, 0.008331985, -0.1666665, 1.0)
COS = (2.4371564e-05, -0.0013886528, 0.041666612, -0.5, 1.0)  # of x itself
TANH = (-0.005672422, 0.020603146, -0.05372523, 0.13331185, -0.33333263, 1.0)  # |x| <= 0.625
ATAN = (0.07968948, -0.13847041, 0.19974044, -0.3333279, 1.0)  # |x| <= tan(pi / 8)
ASIN = (0.04269023, 0.023823984, 0.04555768, 0.07494368, 0.16666792, 1.0)  # |x| <= 0.5
ERF = (7.889119e-05, -0.0008020841, 0.005189535, -0.026854444, 0.112836, -0.37612626, 1.1283791)  # |x| <= 1
# erfc(x) * exp(x * x) / t in t = 1 / (1 + x / 2), for x in [1, 4].
ERFC = (
    -0.015002752, -0.01223686, 0.2378533, -0.49052668, 0.32298252, -0.06806389, 0.22155865, 0.23832457, 0.2830178,
    0.2820506,
)  # fmt: skip


def _f32(x: object) -> Floats:
    return np.asarray(x, np.float32)


def _polynomial(z: Floats, terms: tuple[float, ...]) -> Floats:
    y = np.full_like(z, F32(terms[0]))
    for term in terms[1:]:
        y = y * z + F32(term)
    return y


def _power_of_two(n: npt.NDArray[np.int32]) -> Floats:
    return _f32(((n + np.int32(127)) << np.int32(23)).astype(np.int32).view(np.float32))


def exp(x: Floats) -> Floats:
    """e to the x."""
    x = _f32(x)
    with np.errstate(all="ignore"):
        t = np.where(x < F32(-104), F32(-104), np.where(x > F32(89), F32(89), x))
        t = np.where(t != t, F32(0), t)
        n = np.floor(t * LOG2_E + F32(0.5))
        r = t - n * LN2_HIGH
        r = r - n * LN2_LOW
        y = _polynomial(r, EXP)
        whole = n.astype(np.int32)
        half = whole >> 1
        y = y * _power_of_two(half) * _power_of_two(whole - half)
    return np.where(x != x, x, y)


def log(x: Floats) -> Floats:
    """Natural logarithm; -inf at 0, NaN below."""
    x = _f32(x)
    with np.errstate(all="ignore"):
        small = x < F32(1.1754944e-38)
        scaled = np.where(small, x * F32(8388608), x)
        bits = np.atleast_1d(scaled).view(np.int32).reshape(scaled.shape)
        exponent = ((bits - np.int32(0x3F3504F3)) >> 23).astype(np.int32)
        mantissa = np.atleast_1d(bits - (exponent << 23)).astype(np.int32).view(np.float32).reshape(scaled.shape)
        s = (mantissa - F32(1)) / (mantissa + F32(1))
        e = (exponent - np.where(small, np.int32(23), np.int32(0))).astype(np.float32)
        y = e * LN2_HIGH + (_polynomial(s * s, LOG) * s + e * LN2_LOW)
    y = np.where(x == np.inf, x, y)
    y = np.where(x == 0, F32(-np.inf), y)
    return _f32(np.where((x < 0) | (x != x), F32(np.nan), y))


def log1p(x: Floats) -> Floats:
    """log(1 + x), exact also where 1 + x rounds."""
    x = _f32(x)
    with np.errstate(all="ignore"):
        w = F32(1) + x
        d = w - F32(1)
        y = log(w) * (x / np.where(d == 0, F32(1), d))
    return np.where(d == 0, x, np.where(w == np.inf, w, y))


def expm1(x: Floats) -> Floats:
    """exp(x) - 1, exact also where exp(x) rounds to almost 1."""
    x = _f32(x)
    with np.errstate(all="ignore"):
        u = exp(x)
        d = u - F32(1)
        back = log(u)
        y = d * (x / np.where(back == 0, F32(1), back))
    far = (u == np.inf) | (d == F32(-1))
    return np.where(u == F32(1), x, np.where(far, d, y))


def sqrt(x: Floats) -> Floats:
    """Square root, correctly rounded."""
    with np.errstate(all="ignore"):
        return _f32(np.sqrt(_f32(x)))


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + exp(-x))."""
    x = _f32(x)
    e = exp(-np.abs(x))
    return _f32(np.where(x < 0, e, F32(1)) / (F32(1) + e))


def tanh(x: Floats) -> Floats:
    """Hyperbolic tangent."""
    x = _f32(x)
    with np.errstate(all="ignore"):
        a = np.abs(x)
        near = x * _polynomial(x * x, TANH)
        far = F32(1) - F32(2) / (exp(a + a) + F32(1))
    return np.where(a < F32(0.625), near, np.where(x < 0, -far, far))


def sinh(x: Floats) -> Floats:
    """Hyperbolic sine."""
    x = _f32(x)
    with np.errstate(all="ignore"):
        half = exp(np.abs(x) * F32(0.5))
        u = expm1(np.abs(x))
        near = (u + u / (u + F32(1))) * F32(0.5)
        far = half * F32(0.5) * half
        y = np.where(np.abs(x) < F32(20), near, far)
    return _f32(np.where(x < 0, -y, y))


def cosh(x: Floats) -> Floats:
    """Hyperbolic cosine."""
    x = _f32(x)
    with np.errstate(all="ignore"):
        half = exp(np.abs(x) * F32(0.5))
        return _f32(half * F32(0.5) * half + F32(0.5) / (half * half))


def asinh(x: Floats) -> Floats:
    """Inverse hyperbolic sine."""
    x = _f32(x)
    with np.errstate(all="ignore"):
        a = np.abs(x)
        near = log1p(a + a * a / (F32(1) + sqrt(F32(1) + a * a)))
        far = log(a) + F32(0.6931472)
        y = np.where(a < F32(1e9), near, far)
    return np.where(x < 0, -y, y)


def acosh(x: Floats) -> Floats:
    """Inverse hyperbolic cosine; NaN below 1."""
    x = _f32(x)
    with np.errstate(all="ignore"):
        t = x - F32(1)
        near = log1p(t + sqrt(t * (x + F32(1))))
        far = log(x) + F32(0.6931472)
        y = np.where(x < F32(1e9), near, far)
    return _f32(np.where(x < F32(1), F32(np.nan), y))


def atanh(x: Floats) -> Floats:
    """Inverse hyperbolic tangent; NaN outside [-1, 1]."""
    x = _f32(x)
    with np.errstate(all="ignore"):
        a = np.abs(x)
        y = F32(0.5) * log1p((a + a) / (F32(1) - a))
    y = np.where(x < 0, -y, y)
    return _f32(np.where(a > F32(1), F32(np.nan), y))


def _quadrant(x: Floats) -> tuple[Floats, Floats, npt.NDArray[np.int32]]:
    """Sine and cosine of x less the nearest multiple of pi / 2, and that multiple modulo 4."""
    with np.errstate(all="ignore"):
        t = np.where(np.abs(x) < F32(1e8), x, F32(0))
        n = np.floor(t * TWO_OVER_PI + F32(0.5))
        r = t - n * HALF_PI_HIGH
        r = r - n * HALF_PI_MIDDLE
        r = r - n * HALF_PI_LOW
        z = r * r
        quadrant = n.astype(np.int32) & np.int32(3)
    return r * _polynomial(z, SIN), _polynomial(z, COS), quadrant


def sin(x: Floats) -> Floats:
    """Sine; 0 beyond 1e8, where a float32 holds no angle."""
    x = _f32(x)
    s, c, q = _quadrant(x)
    y = np.where(q & 1, c, s)
    return _f32(np.where(np.abs(x) <= F32(3.4028235e38), np.where(q & 2, -y, y), F32(np.nan)))


def cos(x: Floats) -> Floats:
    """Cosine; 1 beyond 1e8, where a float32 holds no angle."""
    x = _f32(x)
    s, c, q = _quadrant(x)
    y = np.where(q & 1, s, c)
    return _f32(np.where(np.abs(x) <= F32(3.4028235e38), np.where((q + 1) & 2, -y, y), F32(np.nan)))


def tan(x: Floats) -> Floats:
    """Tangent."""
    with np.errstate(all="ignore"):
        return _f32(sin(x) / cos(x))


def atan(x: Floats) -> Floats:
    """Inverse tangent."""
    x = _f32(x)
    with np.errstate(all="ignore"):
        a = np.abs(x)
        far, middle = a > F32(2.4142137), a > F32(0.41421357)
        t = np.where(far, F32(-1) / a, np.where(middle, (a - F32(1)) / (a + F32(1)), a))
        base = np.where(far, HALF_PI, np.where(middle, QUARTER_PI, F32(0)))
        y = base + t * _polynomial(t * t, ATAN)
    return _f32(np.where(x < 0, -y, y))


def asin(x: Floats) -> Floats:
    """Inverse sine; NaN outside [-1, 1]."""
    x = _f32(x)
    with np.errstate(all="ignore"):
        a = np.abs(x)
        big = a > F32(0.5)
        z = np.where(big, (F32(1) - a) * F32(0.5), a * a)
        s = np.where(big, sqrt(z), a)
        y = s * _polynomial(z, ASIN)
        y = np.where(big, HALF_PI - (y + y), y)
    return _f32(np.where(a > F32(1), F32(np.nan), np.where(x < 0, -y, y)))


def acos(x: Floats) -> Floats:
    """Inverse cosine; NaN outside [-1, 1]."""
    x = _f32(x)
    with np.errstate(all="ignore"):
        big = x > F32(0.5)
        s = sqrt((F32(1) - x) * F32(0.5))
        y = asin(np.where(big, s, x))
        return np.where(big, y + y, HALF_PI - y)


def erf(x: Floats) -> Floats:
    """Error function."""
    x = _f32(x)
    with np.errstate(all="ignore"):
        a = np.abs(x)
        near = x * _polynomial(x * x, ERF)
        b = np.where(a > F32(4), F32(4), a)
        t = F32(1) / (F32(1) + b * F32(0.5))
        far = F32(1) - exp(-(b * b)) * (t * _polynomial(t, ERFC))
    return np.where(a < F32(1), near, np.where(x < 0, -far, far))


def power(x: Floats, y: Floats) -> Floats:
    """x to the y; small whole powers by multiplication, others as exp(y log|x|); signs and zeros as in C's pow."""
    x, y = np.broadcast_arrays(_f32(x), _f32(y))
    with np.errstate(all="ignore"):
        whole = np.where(np.abs(y) < F32(8388608), np.trunc(y) == y, y == y)
        odd = whole & (np.abs(y) < F32(8388608)) & (np.where(np.abs(y) < F32(8388608), y, 0).astype(np.int32) & 1 == 1)
        magnitude = exp(y * log(np.abs(x)))
        small = whole & (np.abs(y) <= F32(16))
        count = np.where(small, np.abs(y), F32(0)).astype(np.int32)
        product, base = np.ones_like(x), np.abs(x)
        for bit in range(5):
            product = np.where(count >> bit & 1, product * base, product)
            base = base * base
        magnitude = np.where(small, np.where(y < 0, F32(1) / product, product), magnitude)
        result = np.where((x < 0) & odd, -magnitude, magnitude)
        result = np.where((x < 0) & ~whole, F32(np.nan), result)
        one = (y == 0) | (x == F32(1))
    return _f32(np.where(one, F32(1), result))


def round_half_even(x: Floats) -> Floats:
    """Nearest whole number, halves to the even one."""
    return _f32(np.rint(_f32(x)))

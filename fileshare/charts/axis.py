"""An axis of a chart: where a value lies, and which values deserve a tick."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from math import ceil, floor, log2, log10


class Scale(Enum):
    LINEAR = "linear"
    LOG_2 = "log2"
    LOG_10 = "log10"


@dataclass(frozen=True, slots=True)
class Axis:
    """Maps `low` .. `high` to the two `places` on the paper, which may run either way."""

    scale: Scale
    low: float
    high: float
    places: tuple[float, float]

    @classmethod
    def over(
        cls, values: Sequence[float], scale: Scale, bounds: tuple[float, float] | None, places: tuple[float, float]
    ) -> Axis:
        """An axis that shows all of `values`, or exactly `bounds`; a linear one begins at 0 if that is not far away.

        Raises:
            ValueError: a logarithmic axis with a value that is not positive.
        """
        low, high = bounds or (min(values), max(values))
        if scale is not Scale.LINEAR and low <= 0:
            raise ValueError(f"a logarithmic axis cannot show {low}")
        if bounds is None and scale is Scale.LINEAR:
            low = 0.0 if 0 < low < high / 2 else low
            step = _step(low, high, 9)
            low, high = floor(low / step + 1e-9) * step, ceil(high / step - 1e-9) * step
        if low == high:
            low, high = (low / 2, high * 2) if scale is not Scale.LINEAR else (low - 1, high + 1)
        return cls(scale, low, high, places)

    def place(self, value: float) -> float:
        low, high, at = (_TRANSFORM[self.scale](x) for x in (self.low, self.high, value))
        first, last = self.places
        return first + (at - low) / (high - low) * (last - first)

    def ticks(self, at_most: int) -> list[float]:
        if self.scale is Scale.LINEAR:
            step = _step(self.low, self.high, at_most)
            return [step * n for n in range(ceil(self.low / step - 1e-9), floor(self.high / step + 1e-9) + 1)]
        base = 2.0 if self.scale is Scale.LOG_2 else 10.0
        first, last = (_TRANSFORM[self.scale](x) for x in (self.low, self.high))
        exponents = range(ceil(first - 1e-9), floor(last + 1e-9) + 1)
        stride = ceil(len(exponents) / at_most) if exponents else 1
        ticks = [base**exponent for exponent in exponents if not (exponent - exponents[0]) % stride]
        if base == 10 and len(exponents) <= at_most // 3:
            fine = [factor * 10.0**exponent for exponent in range(floor(first), ceil(last)) for factor in (1, 2, 5)]
            ticks = [tick for tick in [*fine, 10.0 ** ceil(last)] if self.low * 0.999 <= tick <= self.high * 1.001]
        return ticks

    def label(self, value: float) -> str:
        """In SVG, since powers have raised exponents."""
        if self.scale is Scale.LOG_2:
            return f'2<tspan dy="-5" font-size="9">{round(log2(value))}</tspan>'
        if self.scale is Scale.LOG_10 and not 1e-3 <= value < 1e6:
            return f'10<tspan dy="-5" font-size="9">{round(log10(value))}</tspan>'
        return f"{value:,.10g}" if abs(value) >= 1e-9 else "0"


def _step(low: float, high: float, at_most: int) -> float:
    """The smallest of 1, 2, 2.5 or 5 times a power of ten that needs at most so many steps."""
    span = (high - low) or 1.0
    power = 10.0 ** floor(log10(span / at_most))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10, 20) if span / (power * factor) <= at_most)


_TRANSFORM = {Scale.LINEAR: float, Scale.LOG_2: log2, Scale.LOG_10: log10}

"""What interleaved.py prints: one ratio a line, beside its goal."""

from typing import NamedTuple


class Line(NamedTuple):
    """One ratio, with the least or the most that it should be, if it should be anything."""

    question: str
    reached: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def goal(self) -> str:
        if self.at_least is not None:
            return f">= {self.at_least:g}"
        return f"<= {self.at_most:g}" if self.at_most is not None else ""

    @property
    def verdict(self) -> str:
        short = (self.at_least is not None and self.reached < self.at_least) or (
            self.at_most is not None and self.reached > self.at_most
        )
        return "" if not self.goal else "short" if short else "ok"

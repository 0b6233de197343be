"""Small arithmetic of the page: medians, ratios within a repetition, and how numbers are written."""

from collections.abc import Callable, Iterable
from statistics import median

Run = dict


def of(runs: Iterable[Run], **wanted: object) -> list[Run]:
    """The runs in which all these fields have these values."""
    return [run for run in runs if all(run.get(name) == value for name, value in wanted.items())]


def mid(runs: Iterable[Run], name: str) -> float | None:
    """The median of a field; None when no run has it."""
    values = [run[name] for run in runs if run.get(name) is not None]
    return median(values) if values else None


def ratio(runs: list[Run], name: str, upper: dict, lower: dict) -> float | None:
    """The median over repetitions of one run's field divided by another's of the same repetition."""
    quotients = []
    for above in of(runs, **upper):
        for below in of(runs, repetition=above["repetition"], **lower):
            quotients.append(above[name] / below[name])
    return median(quotients) if quotients else None


def rise(values: list[float]) -> float:
    """By what share the last is above the first."""
    return values[-1] / values[0] - 1


def number(value: float | None, digits: int = 2) -> str:
    """With separators; a dash for what was not measured."""
    return "–" if value is None else f"{value:,.{digits}f}"


def mib(value: float | None) -> str:
    """Bytes as MiB."""
    return "–" if value is None else f"{value / 2**20:,.0f}"


def percent(value: float | None, digits: int = 1) -> str:
    """A share."""
    return "–" if value is None else f"{value:.{digits}%}".replace("%", " %")


def table(head: list[str], rows: list[list[str]]) -> str:
    """Markdown; the first column is text, the others stand on the right."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def spread(runs: list[Run], name: str, write: Callable[[float], str]) -> str:
    """The median, and in parentheses the least and the greatest."""
    values = [run[name] for run in runs if run.get(name) is not None]
    if not values:
        return "–"
    middle = write(median(values))
    return middle if len(values) == 1 else f"{middle} ({write(min(values))}–{write(max(values))})"

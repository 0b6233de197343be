"""Charts of the page as SVG, written by hand: horizontal bars, and lines over a logarithmic axis.

In: labels and figures. Out: the text of an SVG file, the same for the same figures.
"""

import math
from xml.sax.saxutils import escape

WIDTH = 760
LABEL_WIDTH = 270
VALUE_WIDTH = 90
ROW_HEIGHT = 26
OURS, OTHERS, INK, FAINT = "#1f6f54", "#b9c0c7", "#222", "#777"
FONT = 'font-family="system-ui, sans-serif" font-size="13"'


def svg(height: float, body: list[str], title: str) -> str:
    """A whole file."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        f'aria-label="{escape(title)}" {FONT} fill="{INK}">\n<rect width="100%" height="100%" fill="#fff"/>\n'
    )
    return head + "\n".join(body) + "\n</svg>\n"


def text(x: float, y: float, content: str, anchor: str = "start", colour: str = INK, bold: bool = False) -> str:
    """A line of text."""
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"{weight}>{escape(content)}</text>'


def bars(panels: list[tuple[str, list[tuple[str, float, str, bool]]]]) -> str:
    """Panels one below another: a title, and bars (label, length, written value, whether it is ours)."""
    body, y = [], 10.0
    room = WIDTH - LABEL_WIDTH - VALUE_WIDTH
    for title, rows in panels:
        y += 18
        body.append(text(12, y, title, bold=True))
        y += 8
        longest = max(value for _, value, _, _ in rows)
        for label, value, written, ours in rows:
            length = max(1.0, room * value / longest)
            body.append(text(LABEL_WIDTH - 10, y + 17, label, "end", bold=ours))
            body.append(
                f'<rect x="{LABEL_WIDTH}" y="{y + 4:.1f}" width="{length:.1f}" height="{ROW_HEIGHT - 8}" '
                f'rx="2" fill="{OURS if ours else OTHERS}"/>'
            )
            body.append(text(LABEL_WIDTH + length + 6, y + 17, written))
            y += ROW_HEIGHT
        y += 8
    return svg(y + 6, body, "; ".join(title for title, _ in panels))


def lines(panels: list[tuple[str, str, list[tuple[float, float]]]]) -> str:
    """Panels side by side: a title, the name of the x axis (logarithmic), points; y begins at 0."""
    body = []
    width, height, top, left = WIDTH / len(panels), 190.0, 44.0, 46.0
    for index, (title, axis, points) in enumerate(panels):
        begin = index * width + left
        room = width - left - 24
        highest = max(y for _, y in points) * 1.15
        first, last = math.log10(points[0][0]), math.log10(points[-1][0])
        body.append(text(begin - 30, 24, title, bold=True))
        for share in (0.0, 0.5, 1.0):
            y = top + height * (1 - share)
            body.append(f'<line x1="{begin}" x2="{begin + room:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
            body.append(text(begin - 6, y + 4, f"{highest * share:.1f}", "end", FAINT))
        path = []
        for x, y in points:
            across = begin + room * (math.log10(x) - first) / (last - first)
            down = top + height * (1 - y / highest)
            path.append(f"{across:.1f},{down:.1f}")
            body.append(f'<circle cx="{across:.1f}" cy="{down:.1f}" r="4" fill="{OURS}"/>')
            body.append(text(across, top + height + 18, f"{x:,.0f}", "middle", FAINT))
        body.append(f'<polyline points="{" ".join(path)}" fill="none" stroke="{OURS}" stroke-width="2"/>')
        body.append(text(begin + room / 2, top + height + 38, axis, "middle", FAINT))
    return svg(top + height + 50, body, "; ".join(title for title, _, _ in panels))

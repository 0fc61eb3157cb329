"""Curves as an SVG that is readable on light and dark pages."""

import math

WIDTH, HEIGHT = 960, 400
PANEL_WIDTH, PANEL_HEIGHT, TOP = 350, 280, 50
LEFTS = (80, 560)
# lines differ by dashes, too: not everyone sees colours apart
LINES = (("#2a78d6", ""), ("#d9590f", "7 4"), ("#258a4e", "2 3"), ("#9350c8", "9 3 2 3"))
STYLE = """
  text { font: 13px sans-serif; fill: #24292f }
  .title { font-weight: 600 }
  .grid { stroke: #8c959f; stroke-opacity: .35; fill: none }
  .ideal { stroke: #6e7781; stroke-dasharray: 1 4; fill: none; stroke-width: 1.5 }
  .curve { fill: none; stroke-width: 2.5 }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .ideal { stroke: #9198a1 } }
"""


def shown(number):
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= unit:
            return f"{number / unit:g}{letter}"
    return f"{number:g}"


class Panel:
    """Lines over two logarithmic axes."""

    def __init__(self, left, title, across, up, lines, ideal=None):
        self.left, self.title, self.across, self.up, self.lines, self.ideal = left, title, across, up, lines, ideal
        points = [point for _, line in lines for point in line] + list(ideal or [])
        self.x = [math.log2(f([x for x, _ in points])) for f in (min, max)]
        low, high = min(y for _, y in points), max(y for _, y in points)
        self.y = [math.floor(math.log10(low)), math.ceil(math.log10(high))]

    def at(self, x, y):
        (x0, x1), (y0, y1) = self.x, self.y
        across = self.left + PANEL_WIDTH * (math.log2(x) - x0) / max(x1 - x0, 1e-9)
        return f"{across:.1f},{TOP + PANEL_HEIGHT * (1 - (math.log10(y) - y0) / max(y1 - y0, 1e-9)):.1f}"

    def svg(self):
        bottom, right = TOP + PANEL_HEIGHT, self.left + PANEL_WIDTH
        text = [f'<text class="title" x="{self.left}" y="{TOP - 18}">{self.title}</text>']
        for step in range(round(self.x[0]), round(self.x[1]) + 1):
            x = self.at(2**step, 10 ** self.y[0]).split(",")[0]
            text.append(f'<path class="grid" d="M{x},{TOP}V{bottom}"/>')
            text.append(f'<text x="{x}" y="{bottom + 18}" text-anchor="middle">{2**step}</text>')
        for step in range(self.y[0], self.y[1] + 1):
            y = self.at(2 ** self.x[0], 10**step).split(",")[1]
            text.append(f'<path class="grid" d="M{self.left},{y}H{right}"/>')
            text.append(f'<text x="{self.left - 8}" y="{float(y) + 4:.1f}" text-anchor="end">{shown(10**step)}</text>')
        middle = self.left + PANEL_WIDTH / 2
        text.append(f'<text x="{middle}" y="{bottom + 38}" text-anchor="middle">{self.across}</text>')
        turned = f"{self.left - 55} {TOP + PANEL_HEIGHT / 2}"
        text.append(
            f'<text transform="translate({turned}) rotate(-90)" text-anchor="middle">{self.up}</text>'
        )
        if self.ideal:
            text.append(f'<polyline class="ideal" points="{" ".join(self.at(*point) for point in self.ideal)}"/>')
        for number, (name, line) in enumerate(self.lines):
            colour, dashes = LINES[number % len(LINES)]
            style = f'stroke="{colour}"' + (f' stroke-dasharray="{dashes}"' if dashes else "")
            points = " ".join(self.at(*point) for point in line)
            text.append(f'<polyline class="curve" {style} points="{points}"/>')
            y = TOP + 16 + 18 * number
            text.append(f'<path class="curve" {style} d="M{self.left + 12},{y - 4}h34"/>')
            text.append(f'<text x="{self.left + 54}" y="{y}">{name}</text>')
        return text


def picture(caption, panels):
    """The panels side by side, with one line below them."""
    text = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{caption}</title>",
        f"<style>{STYLE}</style>",
    ]
    for panel in panels:
        text += panel.svg()
    text += [f'<text x="{LEFTS[0]}" y="{HEIGHT - 10}">{caption}</text>', "</svg>", ""]
    return "\n".join(text)

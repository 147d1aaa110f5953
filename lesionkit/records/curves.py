"""The curves of a training as a picture that is drawn anew while it goes on.

Plain SVG, written without a library: a browser, JupyterLab and editors show it.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

EVERY = 2.0  # seconds between two pictures, at least
SHARE = 0.005  # of the time that pictures may take
RELOAD = "<script>setTimeout(() => location.reload(), 5000)</script>"
INK, GREY, BLUE, ORANGE = "#1e1e1e", "#d0d0d0", "#0072b2", "#b34700"
TOP, HEIGHT, WIDTH = 46, 190, 310  # of the area of a curve
LEFT = (62, 442)  # of the two areas


class Curves:
    """Draws the picture now and then, and at the end; never stops the training.

    Args:
        store: writes the picture, whole or not at all.
        title: what is trained.
        epochs: at most this many.
    """

    def __init__(self, store: Callable[[bytes], None], title: str, epochs: int) -> None:
        self.store, self.title, self.epochs = store, title, epochs
        self.next, self.failed = 0.0, False

    def epoch(self, history: Sequence[dict[str, Any]]) -> None:
        """Draw the epochs so far if it is time."""
        began = time.monotonic()
        if began >= self.next:
            self.draw(history, live=True)
            now = time.monotonic()
            self.next = now + max(EVERY, (now - began) / SHARE)

    def draw(self, history: Sequence[dict[str, Any]], *, live: bool = False) -> None:
        """Draw the epochs so far. Of pictures that fail, only the first is told."""
        try:
            text = picture(history, self.title, self.epochs, live=live)
            self.store(text.encode())
        except Exception as error:  # a picture is not worth a training
            if not self.failed:
                says = "the training goes on"
                print(f"the curves were not drawn ({error}); {says}", file=sys.stderr)
            self.failed = True


def picture(
    history: Sequence[dict[str, Any]], title: str, epochs: int, *, live: bool = False
) -> str:
    """Training loss and validation Dice over the epochs so far, as SVG.

    Args:
        history: a row an epoch, see Progress; at least one.
        title: what is trained.
        epochs: at most this many.
        live: a browser that shows the file loads it again every five seconds.
    """
    last, best = history[-1], history[-1]["best_epoch"]
    places = [row["epoch"] for row in history]
    losses = [row["train_loss"] for row in history]
    dice = [row["validation_dice"] for row in history]
    told = f"epoch {last['epoch']} of at most {epochs}"
    if best:  # 0 until a Dice is known
        told += f"; best {best}, Dice {dict(zip(places, dice, strict=True))[best]:.3f}"
    known = [value for value in losses if math.isfinite(value)] or [0.0]
    low, high = min(known), max(known)
    high = high if high > low else low + (abs(low) or 1.0)
    middle = (low + high) / 2
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 780 290" width="780"'
        ' height="290" role="img" font-family="system-ui, sans-serif" font-size="13"'
        f' fill="{INK}">',
        f"<title>{escape(title)}: {told}</title>",
        '<rect width="780" height="290" fill="#ffffff"/>',
        _text(12, 22, f"{title}: {told}", "start"),
        *_area(LEFT[0], "training loss", places, (low, middle, high)),
        *_line(LEFT[0], places, losses, low, high),
        *_area(LEFT[1], "validation Dice", places, (0.0, 0.5, 1.0)),
        *(_best(LEFT[1], places, best) if best else []),
        *_line(LEFT[1], places, dice, 0.0, 1.0),
        RELOAD if live else "",
        "</svg>\n",
    ]
    return "\n".join(part for part in parts if part)


def _text(x: float, y: float, says: str, anchor: str = "middle") -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(says)}</text>'


def _across(left: int, places: Sequence[int], epoch: int) -> float:
    """Where an epoch stands; the only one in the middle."""
    span = places[-1] - places[0]
    return left + WIDTH * ((epoch - places[0]) / span if span else 0.5)


def _area(
    left: int, name: str, places: Sequence[int], ticks: Sequence[float]
) -> list[str]:
    """The frame of a curve: its name, lines at the ticks, first and last epoch."""
    parts = [_text(left + WIDTH / 2, TOP + HEIGHT + 44, f"{name} by epoch")]
    for i, tick in enumerate(ticks):
        y = TOP + HEIGHT * (1 - i / (len(ticks) - 1))
        parts.append(f'<path d="M{left} {y:g}h{WIDTH}" stroke="{GREY}"/>')
        parts.append(_text(left - 6, y + 4, f"{tick:.3g}", "end"))
    for epoch in dict.fromkeys((places[0], places[-1])):
        x = _across(left, places, epoch)
        parts.append(_text(x, TOP + HEIGHT + 20, str(epoch)))
    return parts


def _best(left: int, places: Sequence[int], best: int) -> list[str]:
    """An upright line at the best epoch."""
    x = _across(left, places, best)
    line = f'<path d="M{x:.1f} {TOP}v{HEIGHT}" stroke="{ORANGE}"/>'
    side = "start" if x < left + WIDTH / 2 else "end"
    shift = 5 if side == "start" else -5
    says = _text(x + shift, TOP + HEIGHT - 8, f"best epoch, {best}", side)
    return [line, says.replace("<text", f'<text fill="{ORANGE}"', 1)]


def _line(
    left: int, places: Sequence[int], values: Sequence[float], low: float, high: float
) -> list[str]:
    """The curve, with a gap where a value is not known, and a dot at its end."""
    steps, pen, parts = [], "M", []
    for epoch, value in zip(places, values, strict=True):
        if not math.isfinite(value):
            pen = "M"
            continue
        x = _across(left, places, epoch)
        y = TOP + HEIGHT * (1 - (value - low) / (high - low))
        steps.append(f"{pen}{x:.1f} {y:.1f}")
        pen = "L"
        parts = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{BLUE}"/>']
    look = f'fill="none" stroke="{BLUE}" stroke-width="2"'
    return [f'<path d="{"".join(steps)}" {look}/>', *parts] if steps else []

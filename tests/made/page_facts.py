"""What a page must do for everybody: no network, a phone, a keyboard, weak eyes."""

from __future__ import annotations

from pathlib import Path

PHONE, LAPTOP = (390, 844), (1366, 768)  # pixels
CODE = Path(__file__).with_suffix(".js").read_text().strip()
WIDTH = "() => document.documentElement.scrollWidth"


def asked_as(name: str) -> str:
    """A function of page_facts.js, as the browser is asked for it."""
    return f"() => {CODE}.{name}()"


def facts(page, path: Path) -> dict[str, object]:
    """What is wrong with a page, by fact; nothing where all is well.

    Args:
        page: of made_browser.blank, offline.
        path: the HTML file.
    """
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url[:80]))
    wide = []
    for width, height in (PHONE, LAPTOP):
        page.set_viewport_size({"width": width, "height": height})
        page.goto(path.as_uri())
        page.wait_for_load_state("networkidle")
        if (found := page.evaluate(WIDTH)) > width:
            wide.append(f"{found} of {width}")
    found = {
        "wider than the screen": wide,
        "pale text": page.evaluate(asked_as("pale")),
        "without words": page.evaluate(asked_as("nameless")),
        "not reached by Tab": unreached(page),
        "asked of a network": [a for a in asked if a[:5] not in ("file:", "data:")],
        "errors": list(page.said),
        "head": head(page),
    }
    return {name: value for name, value in found.items() if value}


def unreached(page) -> list[str]:
    """Controls that the Tab key does not reach, or where its mark is not seen."""
    wanted = page.evaluate(asked_as("controls"))
    reached = set()
    for _ in range(wanted + 5):
        page.keyboard.press("Tab")
        place, seen = page.evaluate(asked_as("focused"))
        if place is not None and seen:
            reached.add(int(place))
    return [f"control {i} of {wanted}" for i in range(wanted) if i not in reached]


def head(page) -> list[str]:
    """What a page's head lacks."""
    asked = {
        "language": "() => document.documentElement.lang",
        "title": "() => document.title",
        "one h1": "() => document.querySelectorAll('h1').length === 1",
        "viewport": "() => document.querySelector('meta[name=viewport]')?.content",
    }
    return [name for name, code in asked.items() if not page.evaluate(code)]

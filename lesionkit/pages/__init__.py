"""A table, a record or a data report in; a page that can be sent to others out.

Templates lie beside this file. Commands import this room.
"""

__all__ = [
    "card",
    "inspection",
    "notebook",
    "printed",
    "report",
    "templates",
]

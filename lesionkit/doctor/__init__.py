"""This machine in; facts by section, each finding with what to do, out.

Commands import this room.
"""

__all__ = [
    "examination",
]

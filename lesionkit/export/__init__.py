"""A record's trained network in, a file for other programs out, compared with it.

Commands import this room; what the file formats need is an extra.
"""

__all__ = ["network"]

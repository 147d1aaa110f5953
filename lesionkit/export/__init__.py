"""A record's trained network in; masks, or a file for other programs, out.

Commands import this room; what the file formats need is an extra.
"""

__all__ = ["browsing", "inputs", "network", "outputs", "prediction"]

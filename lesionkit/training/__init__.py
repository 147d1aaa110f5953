"""A RunConfig in, a finished run record out: step, loop, evaluation, resume.

`experiment.run` is the way in. The loop knows no data set and writes no file. Torch
lives here; engines, export and commands import this room.
"""

__all__ = [
    "experiment",
    "profiling",
    "step",
]

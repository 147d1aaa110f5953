"""A tidy table in; what may be said of the losses in it out.

`standing.rank` is the way in: it puts grid, verdict and ranking together. Free of
torch; `papers`, figures, pages and commands import it.
"""

__all__ = [
    "advice",
    "contrasts",
    "gaps",
    "grids",
    "images",
    "planning",
    "rank_tests",
    "ranking",
    "resampling",
    "standing",
    "variance",
    "verdicts",
]

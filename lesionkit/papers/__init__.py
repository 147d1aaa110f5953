"""What the two papers say in, how a table or records answer it out.

Claims as questions, printed numbers held against themselves, and the two studies that
ours are compared with. Free of torch; pages, thresholds and commands import it.
"""

__all__ = ["audit", "claims", "luck", "paper_b", "registered", "threshold_study"]

"""Records in; the same images under several losses and thresholds out.

Sliders for notebooks, a static page for everybody else, and figures of both. Replays
weights where logits are not stored, so torch is used here; commands and notebooks
import it.
"""

__all__ = ["comparison", "figures", "page", "panels", "widgets"]

"""Where real data for tests lies, beside the checkout, and the mark that needs it."""

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[3] / "shared" / "data"

needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason=f"real data is not in {SHARED}"
)

"""Tables of one run a cell."""

import pandas as pd
import pytest
from made_records import TWO_BY_THREE


def table_of(cells):
    """A tidy table, one run a cell."""
    rows = [(*key, 0, dice) for key, dice in cells.items()]
    return pd.DataFrame(rows, columns=["dataset", "model", "loss", "repeat", "dice"])


@pytest.fixture
def table():
    """Two data sets, one model, three losses."""
    return table_of(TWO_BY_THREE)

"""A table of somebody else's, as a CSV."""

import pytest

HEAD = "dataset,model,loss,repeat,dice,iou\n"
ROW = "busi,unet,bce,0,0.8,0.7\n"


@pytest.fixture
def csv(tmp_path):
    """Writes a CSV of this text and gives its path."""

    def write(text):
        (tmp_path / "table.csv").write_text(text)
        return tmp_path / "table.csv"

    return write

"""Real public tables through the audit, where ../shared/cases has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lesionkit.papers.audit import audit_table, coverage, open_table

CASES = Path(__file__).parents[3] / "shared" / "cases" / "tables"
# rows that no pooled value and no plain mean over images can have, of all rows
KNOWN = {
    "xnet_audit": (2, 6),
    "brats_audit": (4, 4),
    "audit_polyp": (2, 5),
    "audit_doubleunet": (2, 3),
    "audit_doubleunet_dsc": (2, 3),
    "visium_audit": (0, 8),
    "roads_audit": (0, 6),
    "octa_audit": (0, 9),
}

pytestmark = pytest.mark.skipif(
    not CASES.is_dir(), reason="the tables of ../shared/cases/tables are not here"
)


def of(name):
    """The table of a case."""
    return open_table(CASES / f"{name}.csv")


@pytest.mark.parametrize("name", KNOWN)
def test_a_public_table_has_as_many_rows_that_take_a_condition_as_is_known(name):
    found = audit_table(of(name))
    accused = {f.where for f in found if f.severity == "only if"}
    rows = {f.rows for f in found}
    assert (len(accused), rows) == (KNOWN[name][0], {KNOWN[name][1]})


@pytest.mark.parametrize("name", KNOWN)
def test_no_public_table_is_called_impossible(name):
    assert [f for f in audit_table(of(name)) if f.severity == "impossible"] == []


@pytest.mark.parametrize("name", ["visium_audit", "roads_audit", "octa_audit"])
def test_a_pooled_table_has_no_finding_but_a_remark(name):
    assert [f.rule for f in audit_table(of(name))] == ["spread"]


@pytest.mark.parametrize("name", KNOWN)
def test_every_row_of_a_public_table_is_checked_by_a_law(name):
    rows = KNOWN[name][1]
    laws = [f.says for f in coverage(of(name)) if f.rule != "range"]
    assert laws
    assert all(f"in {rows} of {rows} rows" in says for says in laws)


def test_a_second_column_of_dice_is_pointed_at():
    (says,) = (f.says for f in audit_table(of("brats_audit")) if f.rule == "twice")
    assert "differ in 4 of 4 rows" in says

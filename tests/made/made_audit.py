"""What an audit finds, by rule, and statements and tables to audit."""

from __future__ import annotations

import pandas as pd

from lesionkit import published
from lesionkit.papers.audit import audit_table

TABLE_1 = published.FOLDER / "paper_b_table1.csv"


def told(found, rule, severity=None):
    """What a rule says, by place."""
    return {
        f.where: f.says
        for f in found
        if f.rule == rule and severity in (None, f.severity)
    }


def scores(**texts):
    """Severities by rule of a table of one row, its scores as printed."""
    table = pd.DataFrame({"loss": ["iou"], **{k: [v] for k, v in texts.items()}})
    return verdicts(table)


def verdicts(table, **options):
    """Rule and severity of what is wrong in a table; remarks left out."""
    all_found = audit_table(table, **options)
    return [(f.rule, f.severity) for f in all_found if f.severity != "remark"]


def said(*rows):
    """Statements: subject, quantity, value and, where given, the place."""
    names = ["subject", "quantity", "value", "place"]
    return pd.DataFrame([dict(zip(names, row, strict=False)) for row in rows])

"""The tables that come with the kit, as small CSV files: printed values and our runs.

- paper_b_table1.csv: paper B, Table 1; fractions of 1 where the paper prints percent.
- quoted.csv: results of earlier work that paper B quotes. Second-hand: they were taken
  from our notes, not read in the works quoted.
- statements.csv: what the papers say outside their tables, one statement a row. `value`
  is text, with the decimals that were printed; an empty one means "not stated".
- bands.csv: published scores of the networks on public sets, to see whether a training
  is sane; not targets, for sizes, splits and encoders differ from ours. Rows that the
  named work was not read for say "second-hand" in `remark`. A `size` is the side of the
  images in pixels.
- public_rerun_cells.csv: "the public re-run", a later run of paper A's design: mean and
  sample standard deviation over five iterations for each of 6 data sets, 11 models
  (DUCK-Net is absent) and 10 losses. Computed from the table all_data_0511.csv of the
  public repository soujing/losses_research, commit of 2025-12-31, which has no licence
  file: these are facts only, none of its text or code. It is not paper A's Fig. 2: it
  agrees with some sentences of paper A and not with others, and its learning rate,
  weight decay, focal loss, resize and scored batches differ from what the paper says.
  Its authorship is not stated.
- study_small.csv: the kit's own study (docs/study.md), a row a run, made of its records
  by benchmarks/study_table.py. Facts alone: no image, no mask.

`dataset`, `model`, `loss` and `metric` are the kit's names; a data set that the kit
does not have is under its publisher's name.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pandas as pd

from lesionkit import lookup

FOLDER = Path(__file__).parent
NAME = "public-rerun"  # what the re-run is called where a table is asked for
CELLS = FOLDER / "public_rerun_cells.csv"
STUDY = FOLDER / "study_small.csv"
MAIN = {"definition": "A-gamma2", "split": "image"}  # the study's main design


def is_table(source: str | Path) -> bool:
    """Whether a source is a name of TABLES, and not of a file or folder here."""
    return str(source) in TABLES and not Path(source).exists()


def public_rerun() -> pd.DataFrame:
    """The public re-run of paper A's design, one row a cell.

    Returns:
        660 rows: dataset, model, loss, n (iterations); dice, iou, precision and recall
        as means over them, each with its sample standard deviation (dice_sd, ...);
        best_epoch, a mean as well.

    Source: soujing/losses_research, all_data_0511.csv, commit of 2025-12-31.
    """
    table = pd.read_csv(CELLS)
    table.columns = table.columns.str.removesuffix("_mean")
    return table


def study_small(*, every: bool = False) -> pd.DataFrame:
    """The kit's own study on real images, one row a run.

    Args:
        every: whether the runs of other definitions of the focal term, and those split
            by groups, are among the rows; their columns `definition` and `split` tell.

    Returns:
        dataset, model, loss, repeat; dice, iou, precision, recall, average_precision
        and background (the share of it that is marked) at probability 0.5, the same but
        for average_precision by the raw mean (raw_mean_dice, ...), all 0 to 1;
        best_epoch, epochs_trained, epoch_limit, late_rise (by how much the best
        validation Dice still rose in the last fifth of the epochs);
        wall_seconds; definition, split, protocol, size, variant, commit, torch,
        hardware; source and fingerprint of the data set.

    Source: docs/study.md.
    """
    table = pd.read_csv(STUDY, dtype={"commit": str, "fingerprint": str})
    if every:
        return table
    main = (table[list(MAIN)] == pd.Series(MAIN)).all(axis=1)
    return table[main].reset_index(drop=True)


# What can be asked for by name where a table is asked for.
TABLES = {
    NAME: public_rerun,
    "study-small": study_small,
    "study-small-all": partial(study_small, every=True),
}


def statements(paper: str | None = None) -> pd.DataFrame:
    """What the papers state outside their tables, one statement a row.

    Args:
        paper: "A" or "B"; None for both.

    Returns:
        paper, subject, quantity, value, place, remark, all of them text. `value` is as
        printed, decimals included, and empty where the paper does not say. A subject
        such as "unet/balanced_bce" is that row of paper B's Table 1; "percent" in
        `remark` is the unit of `value`.

    Raises:
        UnknownName: another paper.
    """
    table = pd.read_csv(FOLDER / "statements.csv", dtype=str, keep_default_na=False)
    if paper is None:
        return table
    lookup.find("paper", paper, dict.fromkeys(("A", "B")))
    return table[table["paper"] == paper].reset_index(drop=True)


def quoted() -> pd.DataFrame:
    """Results of earlier work that paper B quotes, second-hand.

    Returns:
        paper (the one that quotes), method, metric, value (0 to 1), place, remark.

    Source: paper B, comparison with earlier work.
    """
    return pd.read_csv(FOLDER / "quoted.csv")


def bands() -> pd.DataFrame:
    """Published scores of the networks on public data sets, one row a value.

    Returns:
        model, dataset, metric, value (0 to 1), size (missing where it is not known),
        source, remark.
    """
    table = pd.read_csv(FOLDER / "bands.csv", dtype={"size": "Int64"})
    return table.fillna({"remark": ""})


def paper_b_table1() -> pd.DataFrame:
    """Table 1 as printed, one row for each network and loss.

    Returns:
        model, loss; alpha, gamma and beta (NaN where the loss has none); f1, precision
        and recall as fractions of 1, where the paper prints percent; average_precision.

    Source: paper B, Table 1.
    """
    return pd.read_csv(FOLDER / "paper_b_table1.csv")

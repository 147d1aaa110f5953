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
- public_rerun_34_cells.csv: "the public re-run", a later run of paper A's design: mean
  and sample standard deviation over five iterations for each of 6 data sets, 11 models
  (DUCK-Net is absent) and 34 losses, 2,244 cells; the 660 of paper A's ten losses are
  `public_rerun`. Computed from the table all_data_0511.csv of the public repository
  soujing/losses_research, commit of 2025-12-31, which has no licence file: these are
  facts only, none of its text or code. It is not paper A's Fig. 2: it agrees with some
  sentences of paper A and not with others, and its learning rate, weight decay, focal
  loss, resize and scored batches differ from what the paper says. Its authorship is
  not stated. `original_loss` is the name there. docs/forensics.md says what is odd.
- loss_odyssey.csv: Dice and normalised surface Dice of nnU-Net with 20 losses on four
  tasks of CT ("nnunet_v1"), and with six on three of them ("nnunet_v2"), one number a
  cell. Source: test/README.md of the public repository JunMa11/SegLossOdyssey, commit
  1149f17, no licence file seen: facts only; to be cited is Ma et al., Loss odyssey in
  medical image segmentation, Medical Image Analysis 71 (2021) 102035.
- nnunet_revisited.csv: Dice over five folds of 19 methods on six data sets. What is
  compared are methods, most of them networks, not losses. Source: documentation/
  resenc_presets.md of MIC-DKFZ/nnUNet, commit 3d03f50, Apache License 2.0; to be cited
  is Isensee et al., nnU-Net Revisited, arXiv:2404.09556 (2024).
- study_small.csv: the kit's own study (docs/study.md), a row a run, made of its records
  by benchmarks/study_table.py. Facts alone: no image, no mask.
- study_small_images.csv.gz: its counts by test image, under both rules, an image known
  by digits of its hash, with gap and spread of its logits; of those parts whose records
  are kept.
- study_noise.csv: one cell of that study trained again and again, a row a run, made by
  benchmarks/study_noise.py.

`dataset`, `model`, `loss` and `metric` are the kit's names; a data set that the kit
does not have is under its publisher's name.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pandas as pd

from lesionkit import lookup
from lesionkit.catalogue import PAPER_A_LOSSES

FOLDER = Path(__file__).parent
NAME = "public-rerun"  # what the re-run is called where a table is asked for
CELLS = FOLDER / "public_rerun_34_cells.csv"
RUNS = "all_data_0511.csv"  # what `lesionkit fetch public-rerun` brings
RERUN_NAMES = {
    "dataset": {
        "CVC-ClinicDB": "clinicdb",
        "ISIC": "isic2017",
        "Kvasir-SEG": "kvasir",
        "breast-cancer-benign": "busi_benign",
        "breast-cancer-malignant": "busi_malignant",
        "wound": "wound",
    },
    "model": {
        "ColonFormer": "colonformer",
        "ColonSegNet": "colonsegnet",
        "DeepLab_V3+": "deeplabv3plus",
        "EMCADNet": "emcadnet",
        "ESFPNet": "esfpnet",
        "FAT_Net": "fatnet",
        "FCBFormer": "fcbformer",
        "FCN": "fcn",
        "UNet++": "unetplusplus",
        "Unet": "unet",
        "caranet": "caranet",
    },
}
STUDY = FOLDER / "study_small.csv"
STUDY_IMAGES = FOLDER / "study_small_images.csv.gz"
NOISE = FOLDER / "study_noise.csv"
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
    table = _of_ten(public_rerun_34())
    table.attrs["remarks"] = [
        "colonformer lies 12 to 24 points of Dice lower on four of the six data sets "
        "than under the 24 other losses of the same source: probably another campaign "
        "(docs/forensics.md, The public re-run)"
    ]
    return table


def printed_rerun() -> pd.DataFrame:
    """The cells of `public_rerun` as texts, under the names of the file, to audit."""
    return _of_ten(pd.read_csv(CELLS, dtype=str, keep_default_na=False))


def _of_ten(table: pd.DataFrame) -> pd.DataFrame:
    """The cells of paper A's ten losses."""
    ten = table[table["loss"].isin(PAPER_A_LOSSES)].drop(columns="original_loss")
    return ten.reset_index(drop=True)


def public_rerun_34() -> pd.DataFrame:
    """All 34 losses of the public re-run, one row a cell.

    Returns:
        2,244 rows as those of `public_rerun`, and original_loss, the name there.

    Source: as `public_rerun`.
    """
    table = pd.read_csv(CELLS)
    table.columns = table.columns.str.removesuffix("_mean")
    return table


def public_rerun_runs() -> pd.DataFrame:
    """Every run of the public re-run, as fetched, under the kit's names.

    Returns:
        11,220 rows: dataset, model, loss, repeat, dice, iou, precision, recall,
        best_epoch.

    Raises:
        FileNotFoundError: it was not fetched yet.
    """
    from lesionkit.datasets.fetching import raw_folder  # brings requests

    path = raw_folder(NAME) / RUNS
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there; next: lesionkit fetch {NAME}")
    table = pd.read_csv(path, index_col=0)
    blank = table.index[table.isna().all(axis=1)]
    table = table.drop(index=blank).rename(columns=lambda n: n.removeprefix("test_"))
    table = table.rename(columns={"iter": "repeat"})
    table = table.rename(columns=lambda n: n.removesuffix("_name"))
    table = table.rename(columns={"data": "dataset"}).drop(columns="f1")
    cells = public_rerun_34()
    losses = dict(zip(cells["original_loss"], cells["loss"], strict=True))
    for column, names in {**RERUN_NAMES, "loss": losses}.items():
        table[column] = table[column].map(names)
    table["repeat"] = table["repeat"].astype(int)
    table = table.reset_index(drop=True)
    table.attrs["remarks"] = [f"{len(blank)} blank row left out"] * bool(len(blank))
    return table


def loss_odyssey(model: str = "nnunet_v1") -> pd.DataFrame:
    """nnU-Net under many losses on tasks of CT, one row a cell of one number.

    Args:
        model: "nnunet_v1" (20 losses, four tasks) or "nnunet_v2" (six, three).

    Returns:
        dataset, model, loss, dice, nsd (normalised surface Dice).

    Source: JunMa11/SegLossOdyssey, test/README.md; Ma et al. 2021.
    """
    table = pd.read_csv(FOLDER / "loss_odyssey.csv")
    return table[table["model"] == model].reset_index(drop=True)


def nnunet_revisited() -> pd.DataFrame:
    """Nineteen methods on six data sets of CT and MR, one row a cell of one number.

    Methods stand in the column loss, for that is what is compared.

    Returns:
        dataset, model ("own network"), loss (the method), dice.

    Source: MIC-DKFZ/nnUNet, documentation/resenc_presets.md; Isensee et al. 2024.
    """
    table = pd.read_csv(FOLDER / "nnunet_revisited.csv")
    table = table.rename(columns={"method": "loss"})
    table.insert(1, "model", "own network")
    table.attrs["remarks"] = ["what is compared are methods, not losses"]
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


def study_images(rule: str = "probability") -> pd.DataFrame:
    """The test images of the kit's own study, one row a run and image.

    Parts whose records were lost before their counts were kept are not among them.

    Args:
        rule: of the mask: "probability" (at 0.5) or "raw_mean".

    Returns:
        The keys of `study_small`; image (digits of its file's SHA-256); tp, fp, fn, tn;
        gap (mean logit of the lesion less that of the background, NaN without lesion)
        and spread (standard deviation of the background's logits), the same under both
        rules; dice and iou, 1 where mask and prediction are both empty.

    Raises:
        UnknownName: another rule.

    Source: docs/study.md.
    """
    table = pd.read_csv(STUDY_IMAGES, dtype={"image": str})
    lookup.find("rule", rule, dict.fromkeys(table["rule"].unique()))
    table = table[table["rule"] == rule].drop(columns="rule").reset_index(drop=True)
    wrong = table["fp"] + table["fn"]
    empty = table["tp"] + wrong == 0
    table["dice"] = (2 * table["tp"] / (2 * table["tp"] + wrong)).mask(empty, 1.0)
    table["iou"] = (table["tp"] / (table["tp"] + wrong)).mask(empty, 1.0)
    return table


def study_noise() -> pd.DataFrame:
    """One cell of the kit's own study, trained again and again; a row a run.

    Returns:
        kind: "base", or what differs from it: "start", "split", "rounding" (a weight
        decay of some 1e-9), "threads" (two instead of one, every start again),
        "loop" (benchmarks/independent_loop.py);
        init_seed, split_seed, threads, weight_decay; dice, iou, precision and recall at
        probability 0.5 (the loop has dice alone); best_epoch; commit.

    Source: docs/study.md.
    """
    return pd.read_csv(NOISE, dtype={"commit": str})


# What can be asked for by name where a table is asked for.
TABLES = {
    NAME: public_rerun,
    "public-rerun-34": public_rerun_34,
    "public-rerun-runs": public_rerun_runs,
    "loss-odyssey": loss_odyssey,
    "loss-odyssey-v2": partial(loss_odyssey, "nnunet_v2"),
    "nnunet-revisited": nnunet_revisited,
    "study-small": study_small,
    "study-small-all": partial(study_small, every=True),
    "study-small-images": study_images,
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

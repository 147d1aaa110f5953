"""The published values are those printed, and add up to what is said of them."""

from pathlib import Path

import pandas as pd
import pytest
from scipy.stats import friedmanchisquare

from lesionkit import published
from lesionkit.catalogue import DATASETS, LOSSES, MODELS, PAPER_A_LOSSES
from lesionkit.inference import ranking
from lesionkit.lookup import UnknownName
from lesionkit.sweeps.sweep import read_sweep
from lesionkit.tables import forensics, load_table, remarks

SHARED = Path(__file__).parents[3] / "shared" / "published"
needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason=f"the public re-run's first copy is not in {SHARED}"
)
SINGLE = ["iou", "dice", "bce", "focal"]
PODIUM = "ioufocal bce dicebce ioubce bcefocal iou dice ioudice focal dicefocal".split()
PERCENT = ["f1", "precision", "recall"]
TABLE_1 = {  # paper B, Table 1: F1, precision, recall in percent, and AP
    "segnet/balanced_bce": "67.88 55.87 87.71 0.746",
    "segnet/focal": "71.16 59.78 88.77 0.763",
    "segnet/custom": "72.45 63.30 85.28 0.770",
    "enet/balanced_bce": "65.73 52.95 89.36 0.698",
    "enet/focal": "67.03 57.81 85.43 0.726",
    "enet/custom": "68.32 55.17 87.47 0.741",
    "unet/balanced_bce": "83.35 88.91 74.49 0.805",
    "unet/focal": "88.39 87.70 89.15 0.813",
    "unet/custom": "88.77 87.31 90.30 0.827",
}


@pytest.fixture(scope="module")
def rerun():
    """The public re-run, a row a cell."""
    return published.public_rerun()


@pytest.fixture(scope="module")
def wide(rerun):
    """Its mean Dice: a row for each data set and model, a column for each loss."""
    return rerun.pivot_table(index=["dataset", "model"], columns="loss", values="dice")


@pytest.fixture(scope="module")
def study():
    """Every run of the kit's own study."""
    return published.study_small(every=True)


def said(paper, subject, quantity):
    """The values that a paper states of a subject, in the order of the file."""
    table = published.statements(paper)
    chosen = (table["subject"] == subject) & (table["quantity"] == quantity)
    return list(table.loc[chosen, "value"])


@needs_shared
def test_the_public_rerun_is_a_byte_copy_of_its_first_copy():
    text = published.printed_rerun().to_csv(index=False, lineterminator="\n")
    assert text.encode() == (SHARED / "public_rerun_cells.csv").read_bytes()


def test_the_public_rerun_has_each_cell_of_its_design_once(rerun):
    assert len(rerun) == 6 * 11 * 10
    assert not rerun.duplicated(["dataset", "model", "loss"]).any()
    assert rerun["n"].eq(5).all()


@pytest.mark.parametrize(
    ("column", "names"), [("dataset", DATASETS), ("model", MODELS), ("loss", LOSSES)]
)
def test_the_public_rerun_uses_the_names_of_the_kit(rerun, column, names):
    assert set(rerun[column]) <= set(names)


def test_the_public_rerun_has_the_columns_of_a_cell_table(rerun):
    scores = ["dice", "dice_sd", "iou", "iou_sd"]
    scores += ["precision", "precision_sd", "recall", "recall_sd"]
    expected = ["dataset", "model", "loss", "n", *scores, "best_epoch"]
    assert list(rerun.columns) == expected
    assert rerun[scores].to_numpy().min() >= 0 and rerun[scores].to_numpy().max() <= 1


# The five tests that follow find what was computed from the raw table without the kit.
def test_dicebce_ioufocal_and_bce_lead_in_mean_dice(wide):
    order = wide.mean().sort_values(ascending=False).round(4)
    assert order.iloc[[0, 1, 2, -1]].to_dict() == {
        "dicebce": 0.7981,
        "ioufocal": 0.7979,
        "bce": 0.7977,
        "focal": 0.7718,
    }


@pytest.mark.parametrize(
    ("rows", "points"),
    [
        ("dataset", "9 6 6 5 3 3 2 2 0 0"),
        ("model", "14 8 15 7 4 5 8 4 0 1"),
    ],
)
def test_podium_points_are_those_of_the_raw_table(rerun, rows, points):
    total = ranking.podium(rerun, rows).loc["points", PODIUM]
    assert list(total) == [float(number) for number in points.split()]


def test_friedmans_test_over_the_ten_losses_is_that_of_the_raw_table(wide):
    result = friedmanchisquare(*wide.to_numpy().T)
    assert round(result.statistic, 1) == 131.1
    assert f"{result.pvalue:.0e}" == "7e-24"


def test_without_focal_friedmans_test_finds_no_difference(wide):
    result = friedmanchisquare(*wide.drop(columns="focal").to_numpy().T)
    assert round(result.pvalue, 3) == 0.054


def test_compound_losses_lead_by_what_focal_lacks(wide):
    compound = wide.drop(columns=SINGLE).mean().mean()
    assert round(compound - wide[SINGLE].mean().mean(), 4) == 0.0061
    assert round(compound - wide[SINGLE[:3]].mean().mean(), 4) == -0.0002


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("bands", "model dataset metric value size source remark"),
        ("statements", "paper subject quantity value place remark"),
        ("quoted", "paper method metric value place remark"),
    ],
)
def test_a_table_has_the_columns_promised(name, columns):
    assert list(getattr(published, name)().columns) == columns.split()


@pytest.mark.parametrize("rows", ["data sets", "models"])
def test_paper_a_awards_six_points_a_row(rows):
    count = int(said("A", rows, "count")[0])
    assert said("A", "all losses", f"points over {rows}") == [str(6 * count)]


def test_paper_a_counts_its_models_in_two_ways():
    assert said("A", "models", "count") == ["12", "12", "12", "10"]


def test_paper_a_gives_each_of_its_ten_losses_one_place_over_the_models():
    table = published.statements("A")
    order = table[table["quantity"] == "rank over models"]
    assert list(order["value"].astype(int)) == list(range(1, 11))
    assert set(order["subject"]) == set(PAPER_A_LOSSES)


def test_a_statement_has_a_value_just_when_it_has_a_place():
    table = published.statements()
    assert ((table["value"] == "") == (table["place"] == "")).all()


def test_no_statement_stands_twice_at_one_place_with_two_values():
    table = published.statements()
    where = ["paper", "subject", "quantity", "place"]
    assert table.groupby(where)["value"].nunique().eq(1).all()


@pytest.mark.parametrize(
    ("paper", "quantity"),
    [("A", "smoothing"), ("A", "test of significance"), ("B", "split")],
)
def test_what_a_paper_does_not_state_is_empty(paper, quantity):
    table = published.statements(paper)
    assert list(table.loc[table["quantity"] == quantity, "value"]) == [""]


def test_values_keep_the_decimals_they_are_printed_with():
    assert said("B", "conclusion", "precision") == ["87.70"]


def test_statements_of_one_paper_are_those_of_both_that_name_it():
    parts = [published.statements("A"), published.statements("B")]
    assert pd.concat(parts, ignore_index=True).equals(published.statements())


def test_an_unknown_paper_is_refused_with_those_there_are():
    with pytest.raises(UnknownName, match="unknown paper 'C'.*One of: A, B"):
        published.statements("C")


def test_table_1_is_as_printed():
    table = published.paper_b_table1()
    names = table["model"] + "/" + table["loss"]
    rows = [
        f"{100 * row.f1:.2f} {100 * row.precision:.2f} {100 * row.recall:.2f} "
        f"{row.average_precision:.3f}"
        for row in table.itertuples()
    ]
    assert dict(zip(names, rows, strict=True)) == TABLE_1


def test_the_conclusion_of_paper_b_has_the_scores_of_the_focal_row():
    scores = [*PERCENT, "average_precision"]
    stated = " ".join(said("B", "conclusion", name)[0] for name in scores)
    assert stated == TABLE_1["unet/focal"]


def test_the_conclusion_of_paper_b_has_the_parameters_of_the_custom_row():
    table = published.paper_b_table1().set_index(["model", "loss"])
    row = table.loc[("unet", "custom"), ["alpha", "gamma", "beta"]]
    assert [float(said("B", "conclusion", n)[0]) for n in row.index] == list(row)


def test_the_text_of_paper_b_gives_another_recall_than_table_1():
    assert said("B", "unet/balanced_bce", "recall") == ["76.49"]
    assert "76.49" not in TABLE_1["unet/balanced_bce"]


def test_a_statement_in_percent_says_so():
    table = published.statements("B")
    scores = table[table["quantity"].isin(PERCENT)]
    assert set(scores["remark"]) == {"percent"}
    assert set(table.drop(scores.index)["remark"]) & {"percent"} == set()


def test_the_quoted_results_are_five_second_hand_dice_values():
    table = published.quoted()
    values = table.groupby("method")["value"].apply(list).to_dict()
    assert values == {"Hossain": [0.74, 0.65], "Jason": [0.74, 0.75, 0.68]}
    assert table["remark"].str.contains("second-hand").all()


def test_every_band_is_of_a_model_of_the_kit():
    assert set(published.bands()["model"]) <= set(MODELS)


def test_every_band_is_a_share_of_one():
    assert published.bands()["value"].between(0, 1).all()


def test_a_band_of_a_named_variant_is_of_one_the_model_has():
    table = published.bands()
    variant = table["remark"].str.extract(r"variant (\w+)", expand=False)
    named = table.assign(variant=variant).dropna(subset="variant")
    rows = zip(named["model"], named["variant"], strict=True)
    assert [row for row in rows if row[1] not in MODELS[row[0]].variants] == []


def test_no_band_is_listed_twice():
    assert not published.bands().duplicated().any()


def test_bands_whose_source_was_not_read_say_second_hand():
    table = published.bands()
    read = ("Jha 2021", "Lou 2022", "Chang 2023", "Dumitru 2023")
    first_hand = table["source"].str.startswith(read)
    assert (table["remark"].str.contains("second-hand") == ~first_hand).all()
    assert first_hand.any()


@pytest.mark.parametrize(
    ("model", "dataset", "value"),
    [
        ("fcbformer", "kvasir", 0.9385),
        ("colonsegnet", "kvasir", 0.8206),
        ("caranet", "clinicdb", 0.936),
        ("emcadnet", "isic2017", 0.8595),
        ("unetplusplus", "isic2017", 0.840),
        ("segnet", "ph2", 0.894),
    ],
)
def test_a_band_is_the_published_dice(model, dataset, value):
    table = published.bands().query("metric == 'dice'")
    row = table[(table["model"] == model) & (table["dataset"] == dataset)]
    assert list(row["value"]) == [value]


def test_the_study_has_each_of_its_parts_whole_and_no_run_twice(study):
    cells = ["model", "dataset", "definition", "split"]
    for (_, _, definition, _), part in study.groupby(cells):
        focal = {"focal", "ioufocal", "dicefocal", "bcefocal"}
        losses = set(PAPER_A_LOSSES) if definition == "A-gamma2" else focal
        runs = set(zip(part["loss"], part["repeat"], strict=True))
        assert runs == {(loss, repeat) for loss in losses for repeat in range(3)}
        assert len(part) == len(runs)


def test_the_study_is_of_the_runs_that_its_sweep_names(study):
    keys = ["model", "dataset", "definition", "split", "loss", "repeat"]
    configs = read_sweep("study_small.yaml").configs
    wanted = {tuple(config.identity()[name] for name in keys) for config in configs}
    assert set(study[keys].itertuples(index=False, name=None)) <= wanted
    limits = {(c.dataset, c.epochs) for c in configs}
    found = study[["dataset", "epoch_limit"]].drop_duplicates()
    assert set(found.itertuples(index=False, name=None)) <= limits


def test_the_main_design_of_the_study_is_one_definition_and_split(study):
    main = published.study_small()
    assert set(main["definition"]) == {"A-gamma2"} and set(main["split"]) == {"image"}
    counted = (study["definition"] == "A-gamma2") & (study["split"] == "image")
    assert len(main) == counted.sum() > 0


def test_other_definitions_and_splits_are_no_part_of_the_main_design(
    tmp_path, monkeypatch
):
    rows = ["A-gamma2,image", "A-printed,image", "A-gamma2,group", "A-gamma2,image"]
    monkeypatch.setattr(published, "STUDY", tmp_path / "study.csv")
    lines = [f"{row},{i}" for i, row in enumerate(rows)]
    published.STUDY.write_text("\n".join(["definition,split,repeat", *lines]))
    assert list(published.study_small()["repeat"]) == [0, 3]
    assert list(published.study_small(every=True)["repeat"]) == [0, 1, 2, 3]
    assert len(published.TABLES["study-small"]()) == 2
    assert len(published.TABLES["study-small-all"]()) == 4


def test_the_scores_of_the_study_are_shares_that_agree(study):
    scores = ["dice", "iou", "precision", "recall", "average_precision", "background"]
    for name in [*scores, "raw_mean_dice", "raw_mean_iou", "raw_mean_background"]:
        assert study[name].dropna().between(0, 1).all()
    # a mean over images: IoU lies below Dice, and Dice below twice the IoU
    for rule in ("", "raw_mean_"):
        dice, iou = study[f"{rule}dice"], study[f"{rule}iou"]
        assert ((iou <= dice) & (dice <= 2 * iou)).all()


def test_the_runs_of_the_study_trained_all_of_their_epochs(study):
    assert (study["epochs_trained"] == study["epoch_limit"]).all()
    early = study["best_epoch"] <= 0.8 * study["epoch_limit"]
    assert study.loc[early, "late_rise"].eq(0).all()
    assert study["late_rise"].between(0, 1).all()


def test_the_study_names_no_image_and_no_place_on_a_machine(study):
    texts = study.select_dtypes(exclude="number").astype(str)
    found = set(texts.to_numpy().ravel())
    assert [t for t in found if "/" in t or "\\" in t or ".jpg" in t.lower()] == []


@needs_shared
def test_all_losses_of_the_public_rerun_are_a_byte_copy_of_their_first_copy():
    name = "public_rerun_34_cells.csv"
    assert (published.FOLDER / name).read_bytes() == (SHARED / name).read_bytes()


def test_the_ten_losses_of_the_public_rerun_are_among_its_34(rerun):
    table = published.public_rerun_34()
    assert len(table) == 6 * 11 * 34
    assert not table.duplicated(["dataset", "model", "loss"]).any()
    ten = table[table["loss"].isin(rerun["loss"])].drop(columns="original_loss")
    pd.testing.assert_frame_equal(ten.reset_index(drop=True), rerun)


def test_forensics_finds_in_the_34_losses_what_was_found_without_the_kit():
    table = published.public_rerun_34()
    found = {one.code: one for one in forensics.find(table)}
    pairs = "dice_gaussian = iou_gaussian (23), dice_edge = focal_edge (4)"
    assert found["F1"].text.endswith(pairs)
    high = pd.DataFrame(found["F2"].cells, columns=["dataset", "model", "loss"])
    assert len(high) == 24
    counts = high.groupby("dataset")["model"].value_counts().to_dict()
    assert counts == {
        ("busi_benign", "fcbformer"): 11,
        ("busi_benign", "deeplabv3plus"): 4,
        ("busi_malignant", "colonsegnet"): 4,
        ("busi_malignant", "fcbformer"): 1,
        ("busi_malignant", "fatnet"): 1,
        ("busi_malignant", "esfpnet"): 1,
        ("busi_malignant", "deeplabv3plus"): 1,
        ("busi_malignant", "emcadnet"): 1,
    }
    assert {cell[1] for cell in found["F4"].cells} == {"colonformer"}
    assert "10 losses (bce, bcefocal, dice and 7 more) lie 0.12 to 0.24" in (
        found["F4"].text
    )


def test_the_ten_losses_alone_look_sound_and_say_what_the_34_show(rerun):
    assert forensics.find(rerun) == ()
    assert "colonformer lies 12 to 24 points" in rerun.attrs["remarks"][0]


def test_the_runs_of_the_public_rerun_are_those_that_were_fetched(data_home):
    with pytest.raises(FileNotFoundError, match="next: lesionkit fetch public-rerun"):
        published.public_rerun_runs()
    folder = data_home / "raw" / "public-rerun"
    folder.mkdir(parents=True)
    scores = "0.7,0.8,0.9,0.85,0.8"
    (folder / "all_data_0511.csv").write_text(
        ",data_name,model_name,loss_name,iter,best_epoch,test_iou,test_dice,"
        "test_precision,test_recall,test_f1\n"
        f"0,Kvasir-SEG,UNet++,DiceBCELoss,0.0,5.0,{scores}\n"
        "1,,,,,,,,,,\n"
        f"2,breast-cancer-benign,DeepLab_V3+,IoUWithTV_tar_Loss,1.0,6.0,{scores}\n"
    )
    table = load_table("public-rerun-runs")
    keys = ["dataset", "model", "loss", "repeat", "dice", "iou"]
    assert table[keys].to_numpy().tolist() == [
        ["kvasir", "unetplusplus", "dicebce", 0, 0.8, 0.7],
        ["busi_benign", "deeplabv3plus", "iou_tv2", 1, 0.8, 0.7],
    ]
    assert remarks(table)[0] == "1 blank row left out"


@pytest.mark.parametrize(
    ("name", "shape", "first", "value"),
    [
        ("loss-odyssey", (4, 1, 20), ("liver", "Asym"), 0.9315),
        ("loss-odyssey-v2", (3, 1, 6), ("liver_tumor", "DiceTopK"), 0.6691),
        ("nnunet-revisited", (6, 1, 19), ("kits", "A3DS SwinUNETR"), 0.5282),
    ],
)
def test_a_further_public_table_is_a_full_grid_of_what_was_printed(
    name, shape, first, value
):
    table = load_table(name)
    assert tuple(table[n].nunique() for n in ("dataset", "model", "loss")) == shape
    assert len(table) == shape[0] * shape[2]
    row = table[(table["dataset"] == first[0]) & (table["loss"] == first[1])]
    assert list(row["dice"]) == [value]


@pytest.mark.skipif(
    not SHARED.is_dir(), reason=f"the table's first copy is not beside {SHARED}"
)
def test_the_loss_odyssey_has_the_numbers_of_its_first_copy():
    first = pd.read_csv(SHARED.parent / "cases" / "tables" / "odyssey_long.csv")
    table = published.loss_odyssey()
    assert list(table["dice"]) == list(first["DSC"])
    assert list(table["nsd"]) == list(first["NSD"])
    assert list(table["loss"].str.lower()) == list(first["Loss"].str.lower())


def test_the_noise_of_one_cell_has_ten_runs_of_each_kind():
    table = published.study_noise()
    counts = table["kind"].value_counts().to_dict()
    assert counts == {"base": 1, "start": 9, "split": 9, "rounding": 9} | {
        "threads": 10, "again": 9, "loop": 10
    }  # fmt: skip
    assert not table.duplicated(
        ["kind", "init_seed", "split_seed", "threads", "weight_decay"]
    ).any()
    assert table["dice"].between(0.35, 0.55).all()
    # the unchanged run, whose best epoch is 6 of 8, is the study's, 6 of 40
    ours = published.study_small()
    same = ours.query(
        "dataset == 'kvasir' and model == 'enet' and loss == 'dicebce' and repeat == 0"
    )
    scores = ["dice", "iou", "precision", "recall"]
    base = table[table["kind"] == "base"]
    assert base[scores].to_numpy() == pytest.approx(same[scores].to_numpy(), abs=1e-6)

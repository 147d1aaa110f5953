"""Claims have the verdict that a table was made to give them."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from made_claims import AS_CLAIMED, EQUAL, REVERSED, made

from lesionkit import published
from lesionkit.catalogue import LOSSES, PAPER_A_LOSSES
from lesionkit.inference.verdicts import judge
from lesionkit.papers import answers, claims
from lesionkit.papers.answers import CONTRADICTED, NOT_SUPPORTED, SUPPORTED, UNTESTABLE
from lesionkit.papers.claims import CLAIMS, COMPOUND, ORDER, SINGLE

NETWORKS = ("unet", "segnet", "enet")


def verdicts(table: pd.DataFrame, *names: str) -> list[str]:
    """The verdicts of some claims."""
    return claims.check(table, names)["verdict"].tolist()


def test_every_claim_names_losses_of_ours_and_a_place():
    for name, claim in CLAIMS.items():
        named = [n for pair in claim.given.get("pairs", ()) for n in pair]
        assert set(named) <= {*LOSSES, *NETWORKS}
        assert name[:2] in ("A-", "B-")
        assert claim.place
    assert (len(COMPOUND), len(SINGLE), sorted(ORDER)) == (6, 4, sorted(PAPER_A_LOSSES))


@pytest.mark.parametrize(
    ("effects", "order", "last", "points"),
    [
        (AS_CLAIMED, SUPPORTED, SUPPORTED, SUPPORTED),
        (EQUAL, NOT_SUPPORTED, NOT_SUPPORTED, NOT_SUPPORTED),
        (REVERSED, CONTRADICTED, CONTRADICTED, CONTRADICTED),
    ],
    ids=["as claimed", "equal", "reversed"],
)
def test_an_order_is_supported_open_or_contradicted(effects, order, last, points):
    names = ("A-order", "A-focal-last", "A-points-data-sets", "A-points-models")
    assert verdicts(made(effects), *names) == [order, last, points, points]


def test_one_reversed_pair_contradicts_an_order_of_ten():
    effects = AS_CLAIMED | {"ioufocal": AS_CLAIMED["dicebce"] - 0.005}
    answer = claims.check(made(effects), ("A-order",)).iloc[0]
    assert answer["verdict"] == CONTRADICTED
    assert "ioufocal minus dicebce in dice: -0.00" in answer["evidence"]
    assert "Kendall's tau 0.96" in answer["evidence"]


@pytest.mark.slow
def test_claims_of_equal_losses_are_contradicted_no_more_often_than_stated():
    wrong = {"A-order": 0, "A-focal-last": 0, "A-points-models": 0}
    for seed in range(40):
        random = np.random.default_rng(seed)
        table = made(EQUAL, datasets=3, spread=0.01, seed=seed)
        keys = [*zip(table["dataset"], table["loss"], strict=True)]
        own = {key: random.normal(0, 0.02) for key in dict.fromkeys(keys)}
        table["dice"] += [own[key] for key in keys]  # of a loss on a data set
        for name in wrong:
            wrong[name] += verdicts(table, name) == [CONTRADICTED]
            wrong[name] += verdicts(table, name) == [SUPPORTED]
    assert max(wrong.values()) <= 5  # of 40 at 5 %: more in one of a hundred


def test_an_order_that_is_open_says_what_would_decide_it():
    effects = AS_CLAIMED | {"ioufocal": AS_CLAIMED["dicebce"] + 0.0001}
    answer = claims.check(made(effects, spread=0.01), ("A-order",)).iloc[0]
    assert answer["verdict"] == NOT_SUPPORTED
    assert answer["more"]


def test_equal_losses_stand_in_the_order_of_the_table_and_not_in_the_claimed_one():
    answer = claims.check(made(EQUAL, spread=0.0), ("A-order",)).iloc[0]
    assert f"here {', '.join(PAPER_A_LOSSES)} (" in answer["evidence"]


def test_ranks_are_held_to_what_they_may_be():
    ranks = AS_CLAIMED | {"ioufocal": 0.085}  # behind dicebce alone
    assert verdicts(made(ranks), "A-ioufocal-ranks") == [CONTRADICTED]  # precision: 3
    table = made(ranks, spread=0.0005)
    ahead = table["loss"].isin(["dicebce", "ioudice"])
    table.loc[ahead, "precision"] += 0.02
    assert verdicts(table, "A-ioufocal-ranks") == [SUPPORTED]
    assert verdicts(made(EQUAL), "A-ioufocal-ranks") == [NOT_SUPPORTED]


def test_compound_losses_may_win_by_one_bad_single_loss_alone():
    effects = EQUAL | {"focal": -0.05}
    table = made(effects)
    both = verdicts(table, "A-compound", "A-compound-without-focal")
    assert both == [SUPPORTED, NOT_SUPPORTED]
    worse = dict.fromkeys(COMPOUND, -0.05)
    assert verdicts(made(EQUAL | worse), "A-compound") == [CONTRADICTED]


def test_the_best_loss_differs_only_where_no_loss_may_be_best_in_all():
    table = made(EQUAL)
    name = "A-no-best-data-set"
    assert verdicts(table, name) == [NOT_SUPPORTED]
    table.loc[(table["dataset"] == "set0") & (table["loss"] == "iou"), "dice"] += 0.1
    table.loc[(table["dataset"] == "set1") & (table["loss"] == "bce"), "dice"] += 0.1
    assert verdicts(table, name) == [SUPPORTED]
    assert verdicts(made(EQUAL | {"iou": 0.1}), name, "A-no-best") == [CONTRADICTED] * 2


@pytest.mark.parametrize(
    ("axes", "share"), [(["dataset"], 5), (["dataset", "model"], 10)]
)
def test_no_best_spends_its_level_once(axes, share, monkeypatch):
    levels = []

    def judged(row, level):
        levels.append(level)
        return judge(row, level=level)

    monkeypatch.setattr(answers, "judge", judged)
    answers.none_best(made(EQUAL), axes=axes)  # 5 data sets, 4 networks
    assert levels[:5] == pytest.approx([0.05 / share] * 5)


def test_the_public_rerun_has_the_verdicts_that_its_readme_tells():
    found = claims.check(published.public_rerun()).set_index("claim")
    assert found.loc["A-compound", "verdict"] == SUPPORTED
    assert "+0.0060 " in found.loc["A-compound", "evidence"]
    assert found.loc["A-compound-without-focal", "verdict"] == NOT_SUPPORTED
    assert "-0.0000 " in found.loc["A-compound-without-focal", "evidence"]
    assert found.loc["A-focal-last", "verdict"] == SUPPORTED
    assert "9 of 36 points" in found.loc["A-points-data-sets", "evidence"]
    assert "dicebce leads with 15" in found.loc["A-points-models", "evidence"]
    untestable = found["verdict"] == UNTESTABLE
    assert list(found.index[untestable & (found["paper"] == "A")]) == [
        "A-probability-alike",
        "A-background",
        "A-most-background",
    ]


def background_table(slope: float, spread: float = 0.001) -> pd.DataFrame:
    """Runs whose raw-mean background goes with Dice by this slope."""
    table = made(AS_CLAIMED)
    random = np.random.default_rng(1)
    raw = 0.5 + slope * (table["dice"] - 0.8) + random.normal(0, spread, len(table))
    return table.assign(background=0.01, raw_mean_background=raw)


def test_background_moves_with_or_against_the_losses():
    name = "A-background"
    assert verdicts(background_table(-2.0), name) == [SUPPORTED]
    assert verdicts(background_table(2.0), name) == [CONTRADICTED]
    assert verdicts(background_table(0.0), name) == [NOT_SUPPORTED]


def test_background_moves_against_losses_whatever_else_the_grid_holds():
    name, table = "A-background", background_table(-2.0)
    rounded = table.assign(dice=table["dice"].round(2))  # its unit is none of rho
    assert verdicts(rounded, name) == [SUPPORTED]
    gap = (table["dataset"] == "set0") & (table["model"] == "fcn")
    assert verdicts(table[~(gap & (table["loss"] == "iou"))], name) == [SUPPORTED]


def test_background_is_asked_run_by_run_where_there_are_scores_by_image():
    random = np.random.default_rng(2)
    table = background_table(-2.0)
    table = table[table["dataset"] == "set0"]
    names = [f"image{i}" for i in range(12)]
    by_image = table.merge(pd.DataFrame({"image": names}), how="cross")
    by_image["dice"] += random.normal(0, 0.0001, len(by_image))
    assert answers.grid_of(by_image).images is not None
    assert verdicts(by_image, "A-background") == [SUPPORTED]


def test_a_run_that_marks_little_background_has_not_failed():
    table = background_table(-2.0)
    table.loc[0, "raw_mean_background"] = 0.001
    found = answers.grid_of(table, "raw_mean_background")
    row = table.iloc[0]
    place = [
        getattr(found, f"{axis}s").index(row[axis]) for axis in ("dataset", "model")
    ]
    loss = found.losses.index(row["loss"])
    assert found.runs[place[0], place[1], loss, 0] == 0.001


@pytest.mark.parametrize("column", ["dice", "raw_mean_background"])
def test_runs_that_lack_one_of_two_columns_are_compared_in_neither(column):
    name, table = "A-background", background_table(-2.0)
    table.loc[table["repeat"] == 1, column] = np.nan
    answer = claims.check(table, (name,))
    assert answer["verdict"].tolist() == [SUPPORTED]
    assert answer.equals(claims.check(table.dropna(), (name,)))


def test_repeats_are_paired_by_name_where_each_column_lacks_another():
    name, table = "A-background", background_table(-2.0)
    gone = {"dice": 0, "raw_mean_background": 1}
    for column, repeat in gone.items():
        table.loc[table["repeat"] == repeat, column] = np.nan
    answer = claims.check(table, (name,))
    assert answer.equals(claims.check(table[table["repeat"] == 2], (name,)))


def test_the_most_background_is_that_of_the_last_two():
    table = background_table(0.0)
    assert verdicts(table, "A-most-background") == [NOT_SUPPORTED]
    table.loc[table["loss"].isin(["focal", "dicefocal"]), "raw_mean_background"] += 0.2
    assert verdicts(table, "A-most-background") == [SUPPORTED]


def test_alike_means_within_the_margin_and_not_merely_not_different():
    name = "A-probability-alike"
    table = made(EQUAL, background=0.01)
    assert verdicts(table, name) == [SUPPORTED]
    assert verdicts(made(EQUAL, spread=0.2, background=0.01), name) == [NOT_SUPPORTED]
    apart = made(EQUAL | {"focal": -0.1}, background=0.01)
    assert verdicts(apart, name) == [CONTRADICTED]


def test_alike_has_to_be_shown_on_both_sides():
    near = made(EQUAL | {"focal": -0.02}, spread=0.005, background=0.01)
    assert verdicts(near, "A-probability-alike") == [NOT_SUPPORTED]  # margin 0.02


def paper_b(effects: dict[str, float], **columns: float) -> pd.DataFrame:
    """Runs of paper B's grid on one data set."""
    return made(effects, datasets=1, models=NETWORKS, repeats=5, **columns)


CLAIMED_B = {"custom": 0.06, "focal": 0.03, "balanced_bce": 0.0}


def test_paper_bs_order_is_asked_of_each_network():
    names = [f"B-order-{model}" for model in NETWORKS]
    assert verdicts(paper_b(CLAIMED_B), *names) == [SUPPORTED] * 3
    table = paper_b(CLAIMED_B)
    swapped = (table["model"] == "enet") & (table["loss"] == "custom")
    table.loc[swapped, "dice"] -= 0.2
    assert verdicts(table, *names) == [SUPPORTED, SUPPORTED, CONTRADICTED]


def test_unet_is_first_among_the_networks():
    table = paper_b(CLAIMED_B)
    assert verdicts(table, "B-unet-first") == [NOT_SUPPORTED]
    table.loc[table["model"] == "unet", "dice"] += 0.1
    assert verdicts(table, "B-unet-first") == [SUPPORTED]


def test_lesions_at_the_wall_and_inside_are_asked_apart():
    table = paper_b(CLAIMED_B)
    table["attached_dice"] = table["dice"]
    table["inside_dice"] = 0.9 + np.random.default_rng(0).normal(0, 0.001, len(table))
    assert verdicts(table, "B-attached", "B-inside") == [SUPPORTED, SUPPORTED]
    table["inside_dice"] = table["dice"]
    assert verdicts(table, "B-inside") == [CONTRADICTED]


def test_alpha_trades_precision_for_recall_on_both_sides():
    table = paper_b(CLAIMED_B)
    table["alpha"] = np.where(table["model"] == "unet", 0.25, 0.75)
    side = np.where(table["alpha"] < 0.5, 1, -1)
    table["precision"] = table["recall"] + 0.1 * side
    assert verdicts(table, "B-alpha") == [SUPPORTED]
    evidence = claims.check(table, ("B-alpha",))["evidence"][0]
    assert len(re.findall(r"\(90 % \+0", evidence)) == 2  # both lie above 0
    table["precision"] = table["recall"] - 0.1 * side
    assert verdicts(table, "B-alpha") == [CONTRADICTED]
    assert verdicts(table[table["alpha"] < 0.5], "B-alpha") == [UNTESTABLE]


def test_one_run_a_cell_on_one_data_set_tests_nothing():
    table = made(AS_CLAIMED, datasets=1, models=("unet",), repeats=1)
    assert set(claims.check(table)["verdict"]) == {UNTESTABLE}


def test_scores_by_image_of_one_training_test_no_points():
    table = made(AS_CLAIMED, datasets=1, models=("unet",), repeats=20)
    table = table.rename(columns={"repeat": "image"}).assign(repeat=0)
    found = claims.check(table).set_index("claim")["verdict"]
    assert found["A-points-data-sets"] == UNTESTABLE
    assert found["A-focal-last"] == SUPPORTED


def test_the_printed_table_of_paper_b_tests_none_of_its_claims():
    table = published.paper_b_table1().rename(columns={"f1": "dice"})
    found = claims.check(table.assign(dataset="lung"))
    assert set(found.loc[found["paper"] == "B", "verdict"]) == {UNTESTABLE}


def test_a_loss_that_was_not_run_is_named():
    table = made({k: v for k, v in AS_CLAIMED.items() if k != "focal"})
    answer = claims.check(table, ("A-focal-last",)).iloc[0]
    assert answer["verdict"] == UNTESTABLE
    assert answer["evidence"] == "no run of focal"
    assert answer["more"] == "runs of them"


def test_an_unknown_claim_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="unknown claim 'A-ordr'.*mean 'A-order'"):
        claims.check(made(EQUAL, repeats=1), ("A-ordr",))


def test_the_sentence_counts_the_verdicts():
    found = pd.DataFrame({"verdict": [SUPPORTED, UNTESTABLE, UNTESTABLE]})
    says = "3 claims: 1 supported, 2 untestable with these runs."
    assert claims.sentence(found) == says


@pytest.mark.parametrize("lead", [0.001, 0.007, 0.0078, 0.0084, 0.012])
def test_an_order_is_supported_where_its_interval_lies_above_nothing(lead):
    pair = (("ioufocal", "dicebce"),)
    effects = EQUAL | {"ioufocal": EQUAL["dicebce"] + lead}
    answer = answers.ordered(made(effects, spread=0.01), pairs=pair)
    low, high = re.search(r"\(90 % (\S+) to (\S+)\)", answer.evidence).groups()
    assert (float(low) > 0) is (answer.verdict == SUPPORTED)

"""benchmarks/study_rules.py and study_noise.py: their numbers against known answers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from made_records import made_record

from lesionkit.config import RunConfig
from lesionkit.sweeps.sweep import Sweep


@pytest.fixture
def rules(script):
    return script("study_rules")


@pytest.fixture
def noise(script):
    return script("study_noise")


def images(fp: list[int], gap: float = 8.0) -> pd.DataFrame:
    """Images of 1,000 pixels, 100 of them lesion, and what the raw mean marks."""
    part = {
        "dataset": "toy",
        "model": "enet",
        "definition": "A-gamma2",
        "split": "image",
    }
    table = pd.DataFrame(
        {"fp": fp, **part, "tp": 90, "fn": 10, "gap": gap, "spread": 1.0}
    )
    return table.assign(tn=900 - table["fp"])


def test_the_prediction_is_that_of_the_notes(rules) -> None:
    found = rules.geometry(images([191]))
    assert found["share"].tolist() == [0.1]
    assert found["measured"].tolist() == pytest.approx([191 / 900])
    assert found["predicted"].tolist() == pytest.approx([0.212], abs=5e-4)


def test_images_without_lesion_have_no_prediction(rules) -> None:
    assert rules.geometry(images([10, 20], gap=np.nan)).empty


def test_what_is_explained_is_one_less_the_errors_share(rules) -> None:
    table = pd.DataFrame({"measured": [0.1, 0.3, 0.5], "predicted": [0.2, 0.3, 0.4]})
    found = rules.explained(table)
    assert found["explained"] == pytest.approx(1 - 0.02 / 0.08)
    assert found["correlation"] == pytest.approx(1)
    assert found["error"] == pytest.approx(0.2 / 3)
    assert (found["images"], found["measured"], found["predicted"]) == (3, 0.3, 0.3)


@pytest.mark.parametrize(
    ("shift", "word"),
    [(0.0, "it is geometry"), (0.055, "in part geometry"), (0.3, "more than geometry")],
)
def test_the_word_of_rule_3(rules, shift, word) -> None:
    measured = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    table = rules.geometry(images([0] * 5))
    table["measured"], table["predicted"] = measured, measured - shift
    told = rules.geometry_lines(table)[-1]
    assert told == f"By rule 3, on 1 of the five data sets: **{word}**."


def test_rule_3_is_of_the_main_table_and_other_parts_are_told_beside_it(rules) -> None:
    table = rules.geometry(images([0] * 5))
    table["measured"] = table["predicted"] = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    other = table.assign(split="group", predicted=table["measured"] - 0.3)
    told = rules.geometry_lines(pd.concat([other, table]))[-1]
    assert told == (
        "By rule 3, on 1 of the five data sets: **it is geometry**."
        " With the parts beside the main table: **more than geometry**."
    )


def runs(gap: dict[str, float], **what: str) -> pd.DataFrame:
    """Dice 0.5 of two losses and three repeats a set, and that plus a gap."""
    rows = []
    for dataset, more in gap.items():
        for loss in ("focal", "ioufocal"):
            for repeat in range(3):
                row = {"dataset": dataset, "loss": loss, "repeat": repeat}
                row |= {"model": "enet", "definition": "A-gamma2", "split": "image"}
                rows += [row | {"dice": 0.5 + 0.01 * repeat}]
                rows += [row | what | {"dice": 0.5 + 0.01 * repeat + more}]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("gaps", "word"),
    [
        ((0.1, 0.101, 0.099), "it matters"),
        ((0.001, 0.0, -0.001), "alike"),
        ((0.1, -0.1, 0.02), "open"),
    ],
)
def test_the_words_of_rule_4(rules, gaps, word) -> None:
    gap = dict(zip(("kvasir", "clinicdb", "busi"), gaps, strict=True))
    lines = rules.definition_lines(runs(gap, definition="A-printed"))
    assert len(lines) == 4  # a row a loss
    assert lines[2].startswith("| A-printed | focal | 3 | ")
    assert f"| {np.mean(gaps):+.3f} (" in lines[2]
    assert all(line.endswith(f" | {word} |") for line in lines[2:])


def test_the_correction_of_rule_4_counts_all_eight_that_were_planned(rules) -> None:
    gap = {"kvasir": 0.1, "clinicdb": 0.11, "busi": 0.12}
    (focal, _) = rules.definition_lines(runs(gap, definition="A-printed"))[2:]
    *_, p = rules.paired(np.array([0.1, 0.11, 0.12]))
    assert p == pytest.approx(0.00273, abs=1e-4)
    assert f"| {8 * p:.2f} | it matters |" in focal


def test_two_data_sets_have_an_interval(rules) -> None:
    gap = {"kvasir": -0.02, "clinicdb": -0.04}
    (focal, _) = rules.definition_lines(runs(gap, definition="A-printed"))[2:]
    # t of one degree at 95 %: 6.314; times 0.01, the standard error
    assert "| focal | 2 | -0.030 (-0.093 to +0.033) | 1.00 | open |" in focal


def test_one_data_set_decides_nothing_about_definitions(rules) -> None:
    (line, _) = rules.definition_lines(runs({"kvasir": 0.3}, definition="A-printed"))[
        2:
    ]
    assert "| +0.300 | – | open: one data set |" in line
    (says,) = rules.definition_lines(runs({"kvasir": 0.3}, split="group"))
    assert says.startswith("No run of another definition")


def test_the_words_of_rule_5(rules) -> None:
    table = runs({"clinicdb": -0.2}, split="group")
    (line,) = rules.group_lines(table)[2:]
    assert line.startswith("| clinicdb | 0.510 | 0.310 | +0.200 (")
    assert line.endswith(" | leaks |")
    noisy = table["split"].eq("group") & table["repeat"].eq(0)
    table.loc[noisy, "dice"] += 0.5
    assert rules.group_lines(table)[2].endswith(" | not shown |")
    (says,) = rules.group_lines(runs({"kvasir": 0.3}, definition="A-printed"))
    assert says.startswith("No run that is split by groups")


def test_the_figure_names_its_axes(rules) -> None:
    table = rules.geometry(images([100, 191, 300]))
    figure = rules.drawn(table)
    (axis,) = figure.axes
    assert figure.get_supxlabel() == "share of background marked: predicted"
    assert figure.get_supylabel() == "measured"
    part = ", ".join(table.iloc[0][list(rules.PART)])
    assert axis.get_title().startswith(f"{part}\n") and "enet" in part
    drawn = axis.lines[1]
    assert drawn.get_xdata() == pytest.approx(table["predicted"])
    assert drawn.get_ydata() == pytest.approx(table["measured"])


def repeated(kind: str, values: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"kind": kind, "dice": values})


def test_the_interval_of_a_deviation_is_that_of_chi_square(noise) -> None:
    sd, low, high = noise.deviation(pd.Series([0.1, 0.2, 0.3, 0.4, 0.5]))
    assert sd == pytest.approx(0.158114, abs=1e-6)
    assert low == pytest.approx(0.158114 * (4 / 11.143287) ** 0.5, abs=1e-6)
    assert high == pytest.approx(0.158114 * (4 / 0.484419) ** 0.5, abs=1e-6)


def test_the_unchanged_run_is_of_every_kind_but_the_loop(noise) -> None:
    table = pd.concat([repeated("base", [0.5]), repeated("start", [0.4, 0.6])])
    table = pd.concat([table, repeated("loop", [0.1])], ignore_index=True)
    assert sorted(noise.of_kind(table, "start")) == [0.4, 0.5, 0.6]
    assert list(noise.of_kind(table, "loop")) == [0.1]
    assert list(noise.of_kind(table, "rounding")) == [0.5]


def test_the_section_says_what_pairs_of_equal_runs_show(noise) -> None:
    kinds = {"start": [0.44, 0.46], "rounding": [0.43, 0.47], "loop": [0.4, 0.42, 0.44]}
    parts = [repeated(kind, values) for kind, values in kinds.items()]
    table = pd.concat([repeated("base", [0.45]), *parts], ignore_index=True)
    text = "\n".join(noise.told(table))
    assert "| another start | 3 | 0.4500 | 0.0100 (0.0052 to 0.0628) |" in text
    assert "0.4400 to 0.4600 |" in text
    assert "another split" not in text  # one run alone
    assert "lie 0.011 apart on average, and one pair in twenty more than 0.028." in text
    assert "more than 0.012 apart one time in twenty" in text
    assert "SD of rounding is 2.00 times" in text
    assert "mean less the loop's: +0.0300 (95 % interval " in text


def test_the_ratio_of_two_deviations_has_the_interval_of_f(noise) -> None:
    low, ratio, high = noise.ratio_of(
        pd.Series([0.0, 2.0, 4.0]), pd.Series([0.0, 1.0, 2.0])
    )
    assert ratio == pytest.approx(2)
    assert (low, high) == pytest.approx((2 / 39**0.5, 2 * 39**0.5))  # F(2, 2) at 0.975


def test_what_all_losses_share_is_the_split(noise) -> None:
    repeats = np.array([0.0, 0.1, 0.2])
    same = pd.DataFrame([repeats, repeats + 0.3])
    assert noise.shared(same) == pytest.approx(1)
    against = pd.DataFrame([repeats, -repeats])
    assert noise.shared(against) == 0


def test_equal_losses_spread_as_normal_means_do(noise) -> None:
    cell = pd.DataFrame({"dice_sd": [0.1] * 10, "n": [4] * 10})
    # the mean range of ten standard normal values is 3.078
    assert noise.equal_range(cell) == pytest.approx(3.078 * 0.05, rel=0.02)


def test_the_loop_has_the_starts_of_its_file(noise, tmp_path) -> None:
    path = tmp_path / "loop.csv"
    path.write_text(
        "seed,best_epoch,validation_dice,test_dice,seconds\n43,7,0.5,0.4,9\n"
    )
    (row,) = noise.of_loop(path).to_dict("records")
    assert row == {"init_seed": 43, "best_epoch": 7, "dice": 0.4, "kind": "loop"} | {
        "split_seed": 42, "threads": 1, "weight_decay": 0.0
    }  # fmt: skip
    assert noise.of_loop(None).empty


def test_the_figure_has_a_row_a_kind(noise) -> None:
    table = pd.concat([repeated("start", [0.4, 0.5]), repeated("loop", [0.3, 0.5])])
    (axis,) = noise.drawn(table).axes
    assert [text.get_text() for text in axis.get_yticklabels()] == [
        "another start", "the independent loop, another start"
    ]  # fmt: skip
    assert axis.get_xlabel().startswith("test Dice")
    assert list(axis.lines[0].get_xdata()) == [0.4, 0.5]


def test_each_run_of_the_sweep_is_of_one_kind(noise) -> None:
    configs = noise.read_sweep("noise.yaml").configs
    kinds = []
    for config in configs:
        identity = config.identity()
        changed = [k for n, k in noise.CHANGED.items() if identity[n] != noise.BASE[n]]
        if identity["threads"] != 2:  # by two, of the same ten starts
            assert len(changed) <= 1 or changed == ["start", "rounding"]
        kinds.append(noise.kind_of(changed))
        assert identity["loss"] == "dicebce" and identity["dataset"] == "kvasir"
        assert identity["weight_decay"] < 1e-8
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "base": 1, "start": 9, "split": 9, "rounding": 9, "threads": 10, "again": 9
    }  # fmt: skip
    assert len(configs) == len({config.folder for config in configs}) == 47


def test_runs_by_two_threads_are_held_against_those_of_the_same_start(noise) -> None:
    one = repeated("start", [0.40, 0.50, 0.45]).assign(init_seed=[43, 44, 45])
    one.loc[2, "kind"] = "base"
    two = repeated("threads", [0.45, 0.42, 0.47, 0.9]).assign(init_seed=[45, 43, 44, 7])
    table = pd.concat([one, two], ignore_index=True)
    (_, says) = noise.pairs(table, "threads", "by two")
    assert says.startswith("The same start by two: test Dice differs")
    assert "differs by 0.017 on average and by 0.030 at most; 1 of 3 pairs" in says
    assert "mean difference is -0.0033 (95 % interval -0.0658 to +0.0592" in says
    assert list(noise.of_kind(table, "threads")) == [0.45, 0.42, 0.47, 0.9]
    again = repeated("again", [0.41, 0.52]).assign(init_seed=[43, 44])
    table = pd.concat([table, again], ignore_index=True)
    assert list(noise.of_kind(table, "again")) == [0.41, 0.52]
    said = [line.split(":")[0] for line in noise.between(table) if "same start" in line]
    assert said == [
        "The same start by two threads instead of one",
        "The same start with another rounding",
    ]
    table = table[table["kind"] != "again"]
    assert noise.pairs(one, "threads", "by two") == []
    assert noise.pairs(table, "again", "rounded") == []


def test_a_record_by_two_threads_is_of_its_own_kind_whatever_its_start(
    noise, monkeypatch, data_home
) -> None:
    configs = [
        RunConfig(loss="dice", init_seed=start, split_seed=42, **changed)
        for changed, start in (
            *(({"threads": 1}, 42), ({"threads": 1}, 43), ({"threads": 2}, 42)),
            ({"threads": 1, "weight_decay": 1e-9}, 43),
            ({"threads": 2}, 43),
        )
    ]
    for config in configs[:4]:
        made_record(config, 0.5)
    sweep = Sweep("noise", tuple(configs))
    monkeypatch.setattr(noise, "read_sweep", lambda name: sweep)
    found = noise.of_records()
    assert found["kind"].tolist() == ["base", "start", "threads", "again"]
    assert found["init_seed"].tolist() == [42, 43, 42, 43]


def test_a_run_that_was_trained_again_replaces_its_row_and_no_other(noise) -> None:
    before = repeated("start", [0.4, 0.5]).assign(**noise.BASE)
    before["init_seed"] = [43, 44]
    again = before.iloc[[1]].assign(dice=0.61234567)
    found = noise.merged(before, again, pd.DataFrame())
    assert found[["init_seed", "dice"]].to_numpy().tolist() == [
        [43, 0.4], [44, 0.612346]
    ]  # fmt: skip

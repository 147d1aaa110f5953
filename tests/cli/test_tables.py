"""The commands that read tables: rank, claims and audit."""

import json

import pytest
from made_commands import command as command
from made_commands import file as file
from made_noise import noise
from made_records import TWO_BY_THREE, made_grid, made_record

from lesionkit.cli.tables import Reader
from lesionkit.config import RunConfig

RANKED = """\
dataset,model,loss,repeat,dice
busi,unet,bce,0,0.7
busi,unet,iou,0,0.8
busi,unet,dice,0,0.9
"""


def test_rank_says_first_what_is_supported_and_what_is_not(command, file):
    result = command("rank", file("a.csv", RANKED))
    assert result.code == 0
    first, second, _, head, row, *_ = result.out.splitlines()
    assert first.startswith("Nothing can be said: dice has the best mean dice")
    assert second.startswith(
        "dice leads with 3 of 6 points over 1 data set: points say"
    )
    assert head.split() == [*"loss mean behind low high answer note".split()]
    assert row.split()[:3] == ["dice", "0.9", "-0.1"]


def test_rank_is_wide_when_asked(command, file):
    result = command("rank", file("a.csv", RANKED), "--wide")
    head, row = result.out.splitlines()[3:5]
    last = ["mean_rank", "points_dataset", "points_model"]
    assert head.split()[-6:] == ["candidate", "group", "scatter", *last]
    assert row.split()[0] == "dice"
    assert "friedman_chi2" in result.out
    assert "The verdict rests on neither." in result.out.splitlines()[-1]
    assert "friedman" not in command("rank", file("a.csv", RANKED)).out


FAILED = RANKED.replace(",0.9", ",") + "busi,unet,dice,1,0.9\n"


def test_rank_charges_a_failed_run_or_leaves_it_out(command, file):
    path = file("a.csv", FAILED)
    told = json.loads(command("rank", path, "--json").out)
    means = {row["loss"]: row["mean"] for row in told["losses"]}
    assert means["dice"] == pytest.approx((0.7 + 0.9) / 2)
    assert {row["loss"]: row["failed"] for row in told["losses"]}["dice"] == 1
    assert "each counts as the lowest score of that data set and network" in " ".join(
        told["remarks"]
    )
    left = command("rank", path, "--json", "--failed", "left-out")
    means = {row["loss"]: row["mean"] for row in json.loads(left.out)["losses"]}
    assert means["dice"] == pytest.approx(0.9)
    assert "they are left out" in left.err
    wrong = command("rank", path, "--failed", "never")
    assert (wrong.code, "'never' is not one of" in wrong.err) == (2, True)


def test_rank_takes_a_margin_in_the_metrics_own_unit(command):
    wide, narrow = (
        json.loads(command("rank", "public-rerun", "--margin", m, "--json").out)
        for m in ("0.01", "0.0001")
    )
    answers = [{row["answer"] for row in each["losses"]} for each in (wide, narrow)]
    assert answers == [{"alike", "behind"}, {"undecided", "behind"}]


def test_rank_as_json_has_the_verdict_and_every_loss(command, file):
    found = json.loads(command("rank", file("a.csv", RANKED), "--json").out)
    assert found["verdict"]["leader"] == "dice"
    assert found["verdict"]["supported"] is False
    assert found["verdict"]["detectable"] is None  # nothing can be said
    assert found["verdict"]["detectable_range"] == [None, None]
    assert found["verdict"]["hangs_on"] == []
    keys = {"verdict", "podium", "forensics", "losses", "levels", "remarks"}
    assert set(found) == keys
    assert found["forensics"] == []
    assert [row["answer"] for row in found["losses"]] == ["undecided"] * 3
    points = [(row["loss"], row["points_dataset"]) for row in found["losses"]]
    assert points == [("dice", 3.0), ("iou", 2.0), ("bce", 1.0)]
    assert [row["mean"] for row in found["losses"]] == [0.9, 0.8, 0.7]


def test_rank_reads_a_folder_of_records(command, data_home):
    made_grid(TWO_BY_THREE)
    found = json.loads(command("rank", data_home / "runs", "--json").out)
    assert [(row["loss"], row["points_dataset"]) for row in found["losses"]] == [
        ("dice", 5.0),
        ("bce", 4.0),
        ("iou", 3.0),
    ]
    assert found["losses"][0]["mean"] == pytest.approx(0.76)  # each a second repeat


@pytest.mark.slow
def test_rank_adds_the_tables_that_are_asked_for(command):
    asked = ["--pairs", "--leave-out", "--variance"]
    result = command("rank", "public-rerun", *asked)
    assert result.code == 0
    lines = result.out.splitlines()
    assert [line for line in lines if line in ("pairs", "leave_out", "variance")] == [
        "pairs",
        "leave_out",
        "variance",
    ]
    assert sum(line.startswith("without ") for line in lines) == 27
    assert "public-rerun: only cell means" in result.err.splitlines()[1]


def test_the_study_of_the_kit_is_ranked_by_its_name(command):
    found = json.loads(command("rank", "study-small", "--json").out)
    assert len(found["losses"]) == 10 and found["verdict"]["scope"]
    refused = command("rank", "study-smal")
    assert refused.code != 0 and "Did you mean study-small?" in refused.err
    assert len(refused.err.splitlines()) == 1


def test_the_study_of_the_kit_can_test_the_claims_about_masks(command):
    rows = json.loads(command("claims", "study-small", "--json").out)
    found = {row["claim"]: row["verdict"] for row in rows}
    of_masks = ["A-probability-alike", "A-background", "A-most-background"]
    assert not {found[name] for name in of_masks} & {"untestable with these runs"}


def test_what_is_unusual_in_a_table_is_told_beside_the_answer(command, file):
    result = command("rank", file("a.csv", RANKED + RANKED.splitlines()[1]))
    assert result.code == 0
    assert result.err.splitlines() == [
        f"{file('a.csv', RANKED)}: the same run again: line 5; left out"
    ]


def test_percent_is_seen_said_or_refused(command, file):
    path = file("a.csv", RANKED.replace("0.", "7"))
    assert "dice is in percent" in command("rank", path).err
    found = json.loads(command("rank", path, "--percent", "--json").out)
    assert found["losses"][0]["mean"] == 0.79
    mixed = command("rank", file("b.csv", RANKED.replace("0.", "7", 1)))
    assert (mixed.code, mixed.out) == (1, "")
    assert "one unit a column; if these are percent, pass --percent" in mixed.err
    fractions = command("rank", file("c.csv", RANKED), "--percent")
    assert (fractions.code, fractions.out) == (1, "")
    assert "is not in percent as --percent says" in fractions.err


def test_names_hold_blanks_and_are_refused_where_they_are_not_there(command, file):
    text = RANKED.replace("busi", "Liver Tumor")
    path = file("a.csv", text)
    one = command("rank", path, "--only", "dataset=Liver Tumor", "--json")
    assert (one.code, "Traceback" in one.err) == (0, False)
    gone = command("rank", path, "--only", "loss=dice,bec")
    assert gone.code == 2
    assert "no run has loss=bec" in gone.err


def test_a_score_is_asked_for_in_any_spelling_and_knows_its_direction(command, file):
    rows = [
        f"{d},{m},{loss},{r},{10 + i * 5 + r * 0.1 + j * 0.3}"
        for j, d in enumerate("abcd")
        for m in "uv"
        for i, loss in enumerate(("bce", "dice"))
        for r in range(3)
    ]
    text = "dataset,model,loss,repeat,Hausdorff 95 (mm)\n" + "\n".join(rows)
    path = file("a.csv", text)
    found = json.loads(command("rank", path, "--metric", "HD95", "--json").out)
    assert found["verdict"]["leader"] == "bce"
    assert "the margin, 0.01, are in the unit of hd95" in " ".join(found["remarks"])
    assert "Scores here: hd95" in command("rank", path).err


def test_an_unknown_score_is_asked_for_its_direction(command, file):
    rows = [
        f"{d},u,{loss},{r},{10 + i * 5 + r * 0.1},{r}"
        for d in "abc"
        for i, loss in enumerate(("bce", "dice"))
        for r in range(3)
    ]
    head = "dataset,model,loss,repeat,dice,best_epoch\n"
    path = file(
        "a.csv",
        head.replace("dice", "dice,mine")
        + "\n".join(
            row.replace(",", ",", 1).rsplit(",", 2)[0]
            + ",0.5,"
            + ",".join(row.rsplit(",", 2)[1:])
            for row in rows
        ),
    )
    asked = command("rank", path, "--metric", "mine")
    assert asked.code == 1
    assert "say --lower-is-better or --higher-is-better" in asked.err
    for way, leader in (("lower", "bce"), ("higher", "dice")):
        told = command("rank", path, "--metric", "mine", f"--{way}-is-better", "--json")
        assert json.loads(told.out)["verdict"]["leader"] == leader
    for column in ("best_epoch", "repeat"):
        refused = command("rank", path, "--metric", column)
        assert refused.code == 2
        assert f"{column} describes a run and is no score" in refused.err


def test_claims_of_a_table_have_a_verdict_and_its_reason(command):
    result = command("claims", "public-rerun")
    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[0].startswith("21 claims: 2 supported, 9 not supported, 10 untestable")
    assert "A-compound: supported" in lines
    rows = json.loads(command("claims", "public-rerun", "--paper", "B", "--json").out)
    assert {row["verdict"] for row in rows} == {"untestable with these runs"}


def test_claims_of_records_know_the_background(command, data_home):
    made_grid(TWO_BY_THREE)
    rows = json.loads(command("claims", data_home / "runs", "--json").out)
    found = {row["claim"]: row for row in rows}
    assert "background: largest difference" in found["A-probability-alike"]["evidence"]


def test_audit_finds_both_papers_errata_and_those_of_a_table(command, file):
    result = command("audit")
    assert result.code == 0
    assert result.out.splitlines()[0].startswith("paper B, Table 1, 9 rows: 2 possible")
    text = "model,loss,f1,precision,recall\nunet,mine,0.90,0.80,0.80\n"
    rows = json.loads(command("audit", file("b.csv", text), "--json").out)
    assert [r["severity"] for r in rows if r["rule"] == "F1"] == ["only if", "checked"]
    lines = command("audit", file("b.csv", text)).out.splitlines()
    assert len([line for line in lines if line.startswith("only if: ")]) == 1
    assert (
        "Checked: F1 against precision and recall in 1 of 1 rows (3 cells)" in lines[2]
    )
    known = ("--aggregation", "image", "--empty", "0")
    told = command("audit", file("b.csv", text), *known).out
    assert "impossible as told (means over images, none of the images with" in told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["advise"], "your own runs, or --like with a data set"),
        (["advise", "public-rerun", "--like", "kvasir"], "or --like with a data set"),
        (["advise", "--like", "kvazir"], "Did you mean 'kvasir'?"),
        (["advise", "public-rerun", "--model", "unet"], "--only model=unet"),
        (["plan", "public-rerun"], "Missing option '--difference'"),
        (["plan", "public-rerun", "--difference", "0"], "0.0 is not in the range"),
        (["claims", "public-rerun", "--paper", "C"], "'C' is not one of 'A', 'B'"),
        (["audit", "x.csv", "--aggregation", "sum"], "'sum' is not one of"),
        (["audit", "x.csv", "--empty", "2"], "2.0 is not in the range 0<=x<=1"),
        (["audit", "x.csv", "--runs", "0"], "0 is not in the range x>=1"),
        (["rank", "public-rerun", "--metric", "dise"], "Did you mean 'dice'?"),
        (["rank", "public-rerun", "--only", "loss=dyce"], "no run has loss=dyce"),
    ],
)
def test_a_wrong_question_is_one_line_and_status_2(command, arguments, said):
    result = command(*arguments)
    assert (result.code, result.out) == (2, "")
    assert said in result.err.splitlines()[-1]


def test_rank_maps_the_columns_of_a_table(command, file):
    path = file("a.csv", RANKED.replace("dice\n", "overlap\n", 1))
    assert command("rank", path).code == 1
    assert command("rank", path, "--map", "overlap=dice").code == 0


def test_rank_refuses_two_sizes_until_told_which_or_to_mix(command, data_home):
    made_record(RunConfig(loss="dice"))
    made_record(RunConfig(loss="iou", size=96))
    runs = data_home / "runs"
    refused = command("rank", runs)
    assert refused.code == 1
    assert "differ in size (64, 96)" in refused.err
    alone = command("rank", runs, "--only", "size=96")
    assert (alone.code, "two losses" in alone.err) == (1, True)
    assert command("rank", runs, "--mix").code == 0


def test_rank_of_a_place_with_nothing_is_status_1(command, tmp_path):
    result = command("rank", tmp_path / "none")
    assert result.code == 1
    assert str(tmp_path / "none") in result.err


def test_rank_of_an_unknown_metric_gives_the_nearest(command, file):
    result = command("rank", file("a.csv", RANKED), "--metric", "dicee")
    assert result.code == 2
    assert "Did you mean 'dice'" in result.err


def test_audit_takes_the_public_rerun_by_its_name(command):
    rows = json.loads(command("audit", "public-rerun", "--json").out)
    assert {(row["source"], row["severity"]) for row in rows} == {
        ("public-rerun", "not pooled"),
        ("public-rerun", "checked"),
    }
    told = command("audit", "public-rerun", "--aggregation", "image")
    assert told.out.startswith("public-rerun, 660 rows: 660 consistent.\nNothing con")


@pytest.mark.parametrize("source", ["s3://bucket/runs", ".", "study-small"])
def test_audit_says_why_it_does_not_take_run_records(command, source):
    result = command("audit", source)
    assert (result.code, result.out) == (2, "")
    assert (
        f"{source} is a folder or URL of run records, whose scores are computed"
        in result.err
    )
    assert len(result.err.splitlines()) == 1


def test_a_table_knows_the_options_that_its_reader_typed(file):
    path = file("a.csv", RANKED.replace("dice\n", "score\n", 1))
    only = ("loss=iou,dice", "dataset=busi")
    table = Reader(columns=("score=dice",), only=only, mix=True)(path)
    typed = "--map score=dice --only loss=iou,dice --only dataset=busi --mix"
    assert table.attrs["options"] == typed


def test_a_table_that_was_read_without_options_has_none(file):
    table = Reader()(file("a.csv", RANKED))
    assert table.attrs["options"] == ""


def test_rank_shows_what_to_look_at_before_the_answer(command, file):
    table = noise((4, 5, 8, 3)).round(6)
    high = (table["dataset"] == "d1") & (table["model"] == "m2")
    table.loc[high & (table["loss"] == "l3"), "dice"] += 0.2
    path = file("a.csv", table.to_csv(index=False))
    done = command("rank", path)
    first, second, blank, answer = done.out.splitlines()[:4]
    assert first.startswith("Look at this first (docs/forensics.md")
    assert second.startswith("F2  1 cell lies far above the other losses there: d1/m2")
    assert blank == "" and "supported" in answer
    assert "without the cells of F2 (docs/forensics.md): " in done.err
    (finding,) = json.loads(command("rank", path, "--json").out)["forensics"]
    assert finding["cells"] == [["d1", "m2", "l3"]]
    assert finding["page"] == "docs/forensics.md#f2"


def test_luck_of_a_printed_row_is_told_in_words_and_for_a_program(command):
    row = ("luck", "88.77", "88.39", "--images", "120")
    told = command(*row)
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith(
        "88.77 leads 88.39 by 0.38 points on 120 images.\nChance"
    )
    known = ("--sd", "12", "--sd", "13", "--correlation", "0.7", "--run-sd", "0.5")
    found = json.loads(command(*row, *known, "--runs", "5", "--json").out)
    assert found["by_images"]["middle"] == pytest.approx(0.3347, abs=1e-4)
    assert found["by_runs"] == pytest.approx(0.3438, abs=1e-4)
    assert (found["row"]["ahead"], found["deviations"]) == ("first", [0.12, 0.13])
    assert found["images_needed"] > 1000
    nothing = json.loads(command("luck", "80", "80", "--images", "9", "--json").out)
    assert (nothing["row"]["ahead"], nothing["images_needed"]) == ("neither", None)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["88", "87"], "Missing option '--images'"),
        (["88", "0.87", "--images", "9"], "in two units"),
        (["88", "87", "--images", "9", "--like", "kvazir"], "Did you mean 'kvasir'?"),
        (["88", "87", "--images", "9", "--sd", "60"], "it is in the unit of the means"),
    ],
)
def test_a_row_that_is_none_is_one_line_and_status_2(command, arguments, said):
    result = command("luck", *arguments)
    assert (result.code, result.out) == (2, "")
    assert said in result.err.splitlines()[-1]


def test_rank_reads_a_table_by_the_metric_that_was_registered(command, file):
    claim = file("claim.yaml", "claim: dice leads\nmetric: iou\n")
    command("register", claim)
    table = file("a.csv", RANKED.replace("repeat,dice", "repeat,iou"))
    assert "no column for it" in command("rank", table).err
    result = command("rank", table, "--registered", claim)
    assert result.code == 0, result.err
    assert "dice has the best mean iou" in result.out
    other = command("rank", table, "--registered", claim, "--metric", "recall")
    assert other.code and "unknown metric 'recall'" in other.err

"""The commands plan and advise."""

import json

from made_commands import command as command


def test_plan_says_what_would_show_a_difference(command):
    result = command("plan", "public-rerun", "--difference", "0.002")
    assert result.code == 0
    assert result.out.startswith("To tell 0.002 apart: more of several at once: ")
    rows = json.loads(
        command("plan", "public-rerun", "--difference", "0.01", "--json").out
    )
    assert rows[0]["enough"] is True
    assert rows[0]["runs"] == 3300  # of ten losses


def test_advise_takes_a_pilot_or_a_published_place(command):
    pilot = command("advise", "public-rerun", "--only", "dataset=kvasir")
    assert pilot.code == 0
    assert pilot.out.startswith("Take dicebce, the leader; it is not shown")
    found = json.loads(
        command("advise", "--like", "kvasir", "--model", "unet", "--json").out
    )
    assert found["sentence"].startswith("Going by the public re-run, for kvasir and")
    assert len(found["losses"]) == 10

import math
from dataclasses import replace

import pytest

from celltransfer_core.config import DEFAULT
from celltransfer_core.pipeline import Sizes, estimate_phases
from celltransfer_core.runtime import Phase
from celltransfer_core.studies import Timetable, learn_speeds, load_speeds, outlook_of
from celltransfer_core.studies.work_list import Reporter

NAMES = (
    "reading",
    "framing",
    "colour",
    "embedding cell",
    "embedding colour+texture+shape",
    "clusters",
    "matches",
    "vote",
    "drawing the map",
)

RECORDED = {
    # Seconds of each phase of 480 + 510 blood cells, on two processors: alone, and beside others'
    # work; and as if that began in the middle.
    "alone": (1.4, 3.1, 0.6, 4.4, 11.8, 1.7, 0.2, 0.2, 2.7),
    "beside others": (2.9, 9.6, 2.0, 20.6, 51.8, 12.1, 1.1, 0.9, 22.6),
    "busier and busier": (1.4, 3.1, 0.6, 4.4, 35.0, 5.1, 0.6, 0.6, 8.1),
}

FIXED = replace(DEFAULT, framing="nucleus", network="named")  # as recorded: nothing is tried before

COUNTED = ("framing", "embedding cell", "embedding colour+texture+shape")
CELLS = 990


def planned(speeds=None):
    run = estimate_phases(FIXED, Sizes(480, 510, workers=2), speeds or {}, transport=False)
    return Timetable.of([Phase("reading", CELLS, 2.1), *run])


def promises(table, seconds, step=0.5):
    """Replay recorded phases; yield the time that has passed and the outlook, twice a second."""
    passed, before = 0.0, 0.0
    for name, taken in zip(NAMES, seconds, strict=True):
        table = table.begin(name, before)
        at = 0.0
        while at < taken:
            done, total = (0, 1)
            if name in COUNTED:  # after each batch of 32
                done, total = int(CELLS * at / taken) // 32 * 32, CELLS
            yield passed + at, table.outlook(at, done, total)
            at += step
        passed, before = passed + taken, taken


def factors(table, seconds, begin=0.2):
    """Yield by what factor promises were wrong after a share of the time; 1 if they nearly held."""
    whole = sum(seconds)
    nearly = max(5, whole / 20)  # s
    for at, outlook in promises(table, seconds):
        if at >= begin * whole:
            wrong = abs(outlook.left - (whole - at))
            yield outlook.left / (whole - at) if wrong > nearly else 1.0


# Nothing can foretell that a machine is, or gets, four times as slow; once it is, it counts.
@pytest.mark.parametrize(
    ("kind", "begin", "most"),
    [("alone", 0.2, 1.5), ("beside others", 0.2, 2.0), ("busier and busier", 0.35, 1.5)],
)
def test_the_promise_holds_the_first_time(kind, begin, most):
    assert {s.phase.name for s in planned().stops} == {*NAMES}
    found = list(factors(planned(), RECORDED[kind], begin))
    assert len(found) > 25
    assert all(1 / most < factor < most for factor in found)


def test_a_machine_that_is_known_keeps_its_promise_from_the_start(space):
    seconds = RECORDED["beside others"]
    table, before = planned(), 0.0
    first = table.outlook(0.0, 0, 1).left
    for _ in range(4):
        for name, taken in zip(NAMES, seconds, strict=True):
            table, before = table.begin(name, before), taken
        learn_speeds(space, table.end(before))
        table, before = planned(load_speeds(space)), 0.0
    learned = table.outlook(0.0, 0, 1).left
    assert abs(math.log(learned / sum(seconds))) < abs(math.log(first / sum(seconds))) / 2
    assert all(1 / 1.3 < factor < 1.3 for factor in factors(table, seconds))


def test_the_share_grows_to_one_and_every_phase_is_counted():
    seen = [outlook for _, outlook in promises(planned(), RECORDED["alone"])]
    assert [*dict.fromkeys(outlook.number for outlook in seen)] == list(range(1, len(NAMES) + 1))
    assert {outlook.of for outlook in seen} == {len(NAMES)}
    assert seen[0].share < 0.05
    assert seen[-1].share > 0.9


def test_what_is_there_already_takes_no_time():
    table = planned()
    whole = table.outlook(0.0, 0, 1).left
    found = table.begin("reading", 0.0).begin("embedding cell", 2.0, 990, 990)
    left = found.outlook(0.0, 990, 990)
    skipped = ("reading", "framing", "colour", "embedding cell")
    there = sum(s.phase.seconds for s in table.stops if s.phase.name in skipped)
    assert left.left == pytest.approx(whole - there, rel=0.05)
    assert (left.number, left.of) == (2, len(NAMES) - 2)  # those between were not needed


def test_a_phase_that_nobody_expected_is_counted_and_ends():
    table = planned().begin("reading", 0.0).begin("checking the images", 2.0)
    outlook = table.outlook(4.0, 0, 1)
    assert (outlook.number, outlook.of) == (2, len(NAMES) + 1)
    assert 0 < outlook.left < math.inf
    assert [s.phase.name for s in table.begin("framing", 9.0).passed][-1] == "checking the images"


def test_nothing_is_learned_from_work_that_was_half_done(space):
    table = planned().begin("framing", 0.0, 500, 990).begin("colour", 1.0).end(2.0)
    learn_speeds(space, table)
    assert "framing" not in load_speeds(space)
    assert "colour" in load_speeds(space)


def test_speeds_that_cannot_be_read_are_as_if_there_were_none(space):
    (space.folder / "cache" / "speeds.json").write_text("[1, 2")
    assert not load_speeds(space)
    learn_speeds(space, planned().begin("colour", 0.0).end(2.0))
    assert [*load_speeds(space)] == ["colour"]


def test_a_job_keeps_its_timetable_in_its_row(space, study):
    job = space.add_job(study.id, "classify", "me")
    assert outlook_of(job) is None
    space.begin_job(job.id, "me", 1)
    progress = Reporter(space, job.id, "me")
    progress("reading", 0, 1)
    assert outlook_of(space.job(job.id)) is None  # nothing is promised before it is planned
    progress.expect([Phase("reading", 10, 0.1), Phase("framing", 10, 8.0)])
    told = outlook_of(space.job(job.id))
    assert (told.number, told.of) == (1, 2)
    assert told.left == pytest.approx(8, abs=0.5)
    progress("framing", 0, 10)
    told = outlook_of(space.job(job.id), silent=3.0)
    assert (told.number, told.of) == (2, 2)
    assert told.left == pytest.approx(5, abs=0.8)
    assert [stop.phase.name for stop in progress.ended().passed] == ["reading", "framing"]

"""A study from its images to its export, on a PostgreSQL server."""

import time

import pandas as pd
import pytest

from celltransfer_core.outputs import write_run
from celltransfer_core.studies import (
    current_job,
    load_current,
    load_named,
    load_run,
    match_payloads,
    start,
    states,
)
from tests.studies.conftest import OPTIONS
from tests.studies.samples import files_below


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_study_goes_its_way(space, drawn, tmp_path):
    study = space.create("Slides of May").id
    for role in ("reference", "query"):
        images = space.add_set(study, role, role)
        received = space.receive(images.id, files_below(drawn / role))
        assert (received.taken, received.refused) == (42 if role == "reference" else 30, ())
    space.change_options(study, **OPTIONS)
    first = start(space, study, "classify")
    deadline = time.monotonic() + 120
    while (job := current_job(space, study)).active and time.monotonic() < deadline:
        time.sleep(0.1)
    assert (job.id, job.state, job.message) == (first.id, "done", "")
    assert set(states(space, study).values()) == {"done"}

    named, _ = load_named(space, study)
    pulse = space.pulse(study)
    answers = [(0, "lymphocyte")]
    payloads = match_payloads(named.clusters, space.pooled(study, "query").cells, answers, [])
    space.decide_all(study, "match", payloads, "Ann")
    assert space.pulse(study) != pulse
    assert load_named(space, study)[0].matches[0].by == "Ann"
    assert space.undo(study, "match", "Ann")[0].payload == payloads[0]
    assert not load_named(space, study)[0].matches[0].confirmed

    assert load_current(space, study) is not None
    write_run(load_run(space, study), tmp_path)
    assert len(pd.read_csv(tmp_path / "predictions.csv")) == 30

import pytest

from celltransfer_core.errors import StudyError


def test_jobs_are_one_at_a_time(space, study):
    first = space.add_job(study.id, "classify")
    assert space.add_job(study.id, "embed") == first
    assert space.end_job(first, "done", "")
    second = space.add_job(study.id, "embed")
    assert second.id != first.id
    assert [job.id for job in space.jobs(study.id)] == [second.id, first.id]
    with pytest.raises(StudyError, match="does not exist"):
        space.job("none")

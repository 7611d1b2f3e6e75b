"""Very many images are copied and removed in steps, and nobody waits or sees half a study."""

import pytest
from sqlalchemy import func, select, update

from celltransfer_core.errors import StudyError
from celltransfer_core.studies import Workspace, save_result, unfinished
from celltransfer_core.studies.database import FileRow, JobRow, SetRow, StudyRow
from tests.studies.samples import dead_owner, png

IMAGES = 7


@pytest.fixture
def source(space, study, query_set):
    """A study of some images, with decisions and a result."""
    space.receive(query_set.id, [(f"{n}.png", png(n)) for n in range(IMAGES)])
    for number in range(3):
        space.decide(study.id, "match", {"n": number}, "Ann")
    space.undo(study.id, "match", "Ann")
    save_result(space.result_path(study.id, "embed", "1"), "result")
    return study.id


@pytest.fixture
def between(monkeypatch):
    """Do something after each step of two rows; count the steps."""
    monkeypatch.setattr(unfinished, "ROWS", 2)
    steps = []

    def begin(what):
        def pause(_):
            steps.append(1)
            what()

        monkeypatch.setattr(unfinished.time, "sleep", pause)
        return steps

    return begin


def rows(space):
    """Count the studies, sets and files that the database holds, seen or not."""
    with space._session() as session:
        return tuple(
            session.scalar(select(func.count()).select_from(table))
            for table in (StudyRow, SetRow, FileRow)
        )


def die(monkeypatch, space, when):
    """Let this process end in the middle of a step, as if it were killed."""
    with monkeypatch.context() as patch:
        patch.setattr(space, "_discard", lambda _: None)
        with pytest.raises(SystemExit):
            when()
    space._transact(lambda session: session.execute(update(JobRow).values(owner=dead_owner())))


def test_a_copy_is_the_same(space, source):
    copied = space.duplicate(source, "Again").id
    assert [(d.payload, d.undone) for d in space.decisions(copied)] == [
        (d.payload, d.undone) for d in space.decisions(source)
    ]
    theirs, ours = space.pooled(copied, "query"), space.pooled(source, "query")
    assert (list(theirs.cells), list(theirs.files)) == (list(ours.cells), list(ours.files))
    assert space.result_path(copied, "embed", "1").is_file()
    assert space.jobs(copied) == ()


def test_others_decide_while_a_study_is_copied(space, source, between):
    other, theirs = space.create("Other").id, Workspace()
    steps = between(lambda: theirs.decide(other, "match", {}, "Bob"))
    copied = space.duplicate(source, "Again").id
    assert len(steps) == len(space.decisions(other)) == 4
    assert space.pooled(copied, "query").n_cells == IMAGES


def test_a_copy_is_seen_when_it_is_whole(space, source, between):
    seen = set()
    between(lambda: seen.update(s.name for s in space.studies() + space.studies(deleted=True)))
    space.duplicate(source, "Again")
    assert seen == {"Slides of May"}
    assert len(space.studies()) == 2


def test_a_copy_is_of_one_moment(space, source, query_set, between):
    more = iter(range(1))

    def change():
        for _ in more:
            space.receive(query_set.id, [("new.png", png(100))])

    between(change)
    copied = space.duplicate(source, "Again").id
    assert space.pooled(copied, "query").n_cells == IMAGES + 1
    assert rows(space) == (2, 2, 2 * (IMAGES + 1))


def test_a_copy_of_what_never_rests_is_given_up(space, source, query_set, between):
    number = iter(range(1000))
    between(lambda: space.change_set(query_set.id, name=f"{next(number)}"))
    with pytest.raises(StudyError, match="kept changing"):
        space.duplicate(source, "Again")
    assert rows(space) == (1, 1, IMAGES)


def test_a_copy_that_was_killed_is_removed(space, source, between, monkeypatch):
    between(exit)
    die(monkeypatch, space, lambda: space.duplicate(source, "Again"))
    assert rows(space)[0] == 2
    assert [s.name for s in space.studies() + space.studies(deleted=True)] == ["Slides of May"]
    between(lambda: None)
    space.sweep()
    assert rows(space) == (1, 1, IMAGES)
    assert [path.name for path in (space.folder / "results").iterdir()] == [source]


def test_a_copy_under_way_is_left_alone(space, source, between):
    between(Workspace().sweep)
    space.duplicate(source, "Again")
    assert rows(space) == (2, 2, 2 * IMAGES)


def test_a_set_is_removed_at_once_and_its_rows_in_steps(space, source, query_set, between):
    def look():
        assert space.sets(source) == ()
        with pytest.raises(StudyError, match="no longer exists"):
            space.receive(query_set.id, [("more.png", png(50))])
        space.decide(source, "match", {}, "Bob")

    assert len(between(look)) == 0
    space.remove_set(query_set.id)
    assert rows(space) == (1, 0, 0)
    with pytest.raises(StudyError, match="no longer exists"):
        space.image_set(query_set.id)


def test_a_sweep_that_was_killed_goes_on(space, source, between, monkeypatch):
    space.delete(source)
    between(exit)
    die(monkeypatch, space, space.sweep)
    assert rows(space)[2] == IMAGES - 2
    assert space.studies(deleted=True) == ()
    with pytest.raises(StudyError, match="no longer exists"):
        space.restore(source)
    between(lambda: None)
    space.sweep()
    assert rows(space) == (0, 0, 0)
    assert [one.studies for one in space.erasures()][-1] == 1

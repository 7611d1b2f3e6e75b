"""Two people, or two pages of one, change a study at once: what the first reads holds until it is
written."""

import threading
from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from sqlalchemy import Engine, event

from celltransfer_core.errors import StudyError
from celltransfer_core.studies import HELD, Workspace, desks as desks_module
from tests.studies.samples import png

PATIENCE = 0.15  # seconds that the first waits for the other, who must wait for the first


def meanwhile(call, other):
    """Call; begin the other right after its first statement. Return what both gave or raised."""
    begun, here = [], threading.current_thread()

    def caught(call):
        try:
            return call()
        except StudyError as error:
            return error

    with ThreadPoolExecutor(1) as pool:

        def begin(connection, cursor, statement, *_):
            if threading.current_thread() is here and not begun and "BEGIN" not in statement:
                begun.append(pool.submit(caught, other))
                wait(begun, timeout=PATIENCE)

        event.listen(Engine, "after_cursor_execute", begin)
        try:
            first = caught(call)
        finally:
            event.remove(Engine, "after_cursor_execute", begin)
        return first, begun[0].result()


@pytest.fixture
def there():
    """The same workspace on other connections, as another process has it."""
    return Workspace()


@pytest.fixture
def reference(space, study):
    return space.add_set(study.id, "reference", "reference").id


def test_a_study_gets_one_query(space, there, study):
    first, second = meanwhile(
        lambda: space.add_set(study.id, "query", "first"),
        lambda: there.add_set(study.id, "query", "second"),
    )
    assert [one.id for one in space.sets(study.id)] == [first.id]
    assert "one query set" in str(second)


def test_no_place_among_sets_is_given_twice(space, there, study):
    meanwhile(
        lambda: space.add_set(study.id, "reference", "first"),
        lambda: there.add_set(study.id, "extra", "second"),
    )
    assert [one.position for one in space.sets(study.id)] == [1, 2]


def test_both_tables_of_a_set_are_kept(space, there, reference):
    meanwhile(
        lambda: space.receive(reference, [("labels.csv", b"file,label\n1.png,a\n")]),
        lambda: there.receive(reference, [("metadata.csv", b"file,slide\n1.png,s\n")]),
    )
    assert set(space.known_tables(reference)) == {"labels.csv", "metadata.csv"}


def test_each_mapping_is_remembered(space, there, study, reference):
    space.change_set(reference, mapping={"a": "0"})
    meanwhile(
        lambda: space.change_set(reference, mapping={"a": "1"}),
        lambda: there.change_set(reference, mapping={"a": "2"}),
    )
    given = [one.payload["mapping"] for one in space.decisions(study.id, "types")]
    given.append(space.image_set(reference).mapping)
    assert sorted(one.get("a", "") for one in given) == ["", "0", "1", "2"]


def test_options_of_both_are_kept(space, there, study):
    meanwhile(
        lambda: space.change_options(study.id, seed=1),
        lambda: there.change_options(study.id, draws=2),
    )
    assert space.study(study.id).options == {"seed": 1, "draws": 2}


def test_a_study_is_signed_once(space, there, study):
    _, second = meanwhile(lambda: space.sign(study.id, "Ann"), lambda: there.sign(study.id, "Bob"))
    assert space.study(study.id).signed_by == "Ann"
    assert "signed off by Ann" in str(second)


GROWING = {
    "decide": lambda space, study, _: space.decide(study, "match", {}, "Bob"),
    "undo": lambda space, study, _: space.undo(study, "keep", "Ann"),
    "receive": lambda space, _, reference: space.receive(reference, [("1.png", png(1))]),
    "set": lambda space, study, _: space.add_set(study, "extra", "late"),
    "options": lambda space, study, _: space.change_options(study, seed=1),
    "removed": lambda space, _, reference: space.remove_set(reference),
    "table": lambda space, _, reference: space.take_out_table(reference, "labels.csv"),
    "rename": lambda space, study, _: space.rename(study, "Late"),
    "job": lambda space, study, _: space.add_job(study, "embed"),
}


@pytest.mark.parametrize("grow", GROWING)
def test_nothing_grows_after_the_signature(space, there, study, reference, grow):
    space.decide(study.id, "keep", {}, "Ann")
    before = (space.decisions(study.id), space.known_files(reference), space.sets(study.id))
    _, second = meanwhile(
        lambda: space.sign(study.id, "Ann"), lambda: GROWING[grow](there, study.id, reference)
    )
    assert "signed off by Ann" in str(second)
    assert before == (space.decisions(study.id), space.known_files(reference), space.sets(study.id))
    assert space.jobs(study.id) == ()


def stroke(*numbers):
    return [{"n": number, "together": len(numbers)} for number in numbers]


def test_a_stroke_is_undone_whole_though_another_page_decides(space, there, study):
    for numbers in ((1, 2, 3), (4, 5, 6)):
        space.decide_all(study.id, "match", stroke(*numbers), "Ann")
    undone, _ = meanwhile(
        lambda: space.undo(study.id, "match", "Ann"),
        lambda: there.decide_all(study.id, "match", stroke(7, 8), "Ann"),
    )
    assert [one.payload["n"] for one in undone] == [4, 5, 6]
    assert [one.payload["n"] for one in space.decisions(study.id)] == [1, 2, 3, 7, 8]
    space.decide(study.id, "match", {"n": 9}, "Bob")
    assert [one.payload["n"] for one in space.undo(study.id, "match", "Ann")] == [7, 8]
    assert [one.payload["n"] for one in space.decisions(study.id)] == [1, 2, 3, 9]


def test_undo_in_two_pages_takes_two_strokes_back(space, there, study):
    for numbers in ((1,), (2, 3), (4, 5, 6)):
        space.decide_all(study.id, "match", stroke(*numbers), "Ann")
    meanwhile(
        lambda: space.undo(study.id, "match", "Ann"), lambda: there.undo(study.id, "match", "Ann")
    )
    assert [one.payload["n"] for one in space.decisions(study.id)] == [1]


def test_what_is_changed_while_an_answer_is_kept_is_noticed(space, there, study):
    seen = space.pulse(study.id)
    after, _ = meanwhile(
        lambda: space.decide_unseen(study.id, "review", [{"cell": "x"}], "Ann", seen),
        lambda: there.change_options(study.id, seed=1),
    )
    assert after != space.pulse(study.id)


def test_a_duplicate_is_of_one_moment(space, there, study, reference):
    copied, _ = meanwhile(
        lambda: space.duplicate(study.id, "Copy"),
        lambda: there.receive(reference, [("1.png", png(1))]),
    )
    (twin,) = space.sets(copied.id)
    same = twin.revision == space.image_set(reference).revision
    assert same == bool(space.known_files(twin.id))


def test_a_study_is_restored_or_gone(space, there, study):
    space.delete(study.id)
    swept, refused = meanwhile(space.sweep, lambda: there.restore(study.id))
    assert swept.studies == len(space.erasures()) == (0 if refused is None else 1)
    assert len(space.studies()) == 1 - swept.studies
    assert space.studies(deleted=True) == ()


def test_a_set_that_is_removed_takes_nothing_in(space, there, study, reference):
    meanwhile(
        lambda: space.remove_set(reference),
        lambda: there.receive(reference, [("1.png", png(1))]),
    )
    assert space.count_files(study.id) == {}


def test_readers_who_share_the_work_are_given_other_cells(space, there, study, monkeypatch):
    cells = ["a", "b", "c"]
    assert meanwhile(
        lambda: space.take(study.id, "Ann", cells, 1), lambda: there.take(study.id, "Bob", cells, 1)
    ) == (("a",), ("b",))
    assert space.take(study.id, " Ann ", cells, 2) == ("a", "c")  # the same reader, in another tab
    assert space.take(study.id, "Bob", ["c", "a"], 1) == ()
    other = space.create("Other").id
    assert space.take(other, "Bob", ["c", "a"], 1) == ("c",)
    later = desks_module.time.time() + HELD + 1
    monkeypatch.setattr(desks_module.time, "time", lambda: later)
    assert space.take(study.id, "Bob", ["c", "a"], 1) == ("c",)
    monkeypatch.setattr(desks_module.time, "time", lambda: later - 2 * HELD)  # the clock goes back
    assert space.take(study.id, "Cleo", ["c", "a"], 1) == ("c",)


def test_what_lies_before_a_reader_is_no_change_of_the_study(space, study):
    before = space.pulse(study.id), space.study(study.id)
    space.take(study.id, "Ann", ["a"], 1)
    assert (space.pulse(study.id), space.study(study.id)) == before


@pytest.mark.parametrize("name", ["Zoë  Smith", " Zoe\u0308 Smith\n", "Zoë\tSmith"])
def test_one_reader_has_one_name_however_it_was_typed(space, study, name):
    space.decide(study.id, "match", {"n": 1}, name)
    (undone,) = space.undo(study.id, "match", "Zoë Smith")
    assert undone.who == "Zoë Smith"

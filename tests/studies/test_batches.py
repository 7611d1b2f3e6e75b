import hashlib
import os

import numpy as np
import pytest

from celltransfer_core.errors import StudyError
from celltransfer_core.outputs import StudyTables, csv_bytes, json_bytes, manifest, with_batches
from celltransfer_core.pipeline import TypedBatch
from celltransfer_core.studies import (
    BATCH_REVIEW,
    add_batch,
    as_new_study,
    batches_of,
    bring_up_to,
    export_study,
    import_study,
    known_cells,
    list_answers,
    load_current,
    now,
    review_payloads,
    revised_payloads,
    stage_keys,
    start,
    typed_batches,
)
from celltransfer_core.studies.job_plan import plan_job
from celltransfer_core.types import silent
from tests.studies.samples import files_below, png


def add(space, study, drawn, name="June", role="reference"):
    """A batch of the cells of another drawn laboratory."""
    batch = add_batch(space, study, name)
    space.receive(batch.id, files_below(drawn / role))
    return batch


def results(space, study):
    """Every byte that a study has given, and its keys."""
    current = load_current(space, study)
    tables = StudyTables(current.run, current.reviews)
    folder = space.result_path(study, "embed", "").parent
    files = {p.name: p.read_bytes() for p in folder.glob("*") if not p.name.startswith("batch")}
    told = {name: csv_bytes(table) for name, table in tables.workbook().items()}
    return (
        {name: hashlib.sha256(data).hexdigest() for name, data in (files | told).items()},
        json_bytes(manifest(current.run, current.reviews)),
        stage_keys(space, study),
    )


def test_a_batch_has_the_pixel_size_and_the_channels_of_the_query_from_the_first_moment(
    space, finished, monkeypatch
):
    (query,) = space.sets(finished, "query")
    space.change_set(query.id, um_per_px=0.2, channels="1,2,3")
    bring_up_to(space, finished, "classify", silent)

    def killed(*_, **__):
        raise OSError

    monkeypatch.setattr(space, "change_set", killed)  # as a process that dies after one step
    made = add_batch(space, finished, "June")
    assert (made.um_per_px, made.channels) == (0.2, "1,2,3")
    extra = space.add_set(finished, "extra", "Other slides")
    assert (extra.um_per_px, extra.channels) == (None, None)


def test_a_signed_study_takes_a_batch_and_changes_by_no_byte(space, finished, drawn):
    space.sign(finished, "Ann")
    before, signed = results(space, finished), space.study(finished)
    batch = add(space, finished, drawn)
    assert [one.typed for one in batches_of(space, finished)] == [None]
    bring_up_to(space, finished, "batch", silent)
    (found,) = batches_of(space, finished)
    assert found.fresh
    assert found.typed.query.n_cells == space.dataset(space.image_set(batch.id)).n_cells > 0
    assert results(space, finished) == before
    after = space.study(finished)
    assert (after.signed, after.signed_by) == (signed.signed, signed.signed_by)
    with pytest.raises(StudyError, match="was signed off by Ann"):
        space.add_set(finished, "extra", "more")
    (query,) = space.sets(finished, "query")
    with pytest.raises(StudyError, match="was signed off by Ann"):
        space.receive(query.id, files_below(drawn / "reference"))
    with pytest.raises(StudyError, match="was signed off by Ann"):
        start(space, finished, "classify")
    space.remove_set(batch.id)
    assert batches_of(space, finished) == ()
    assert results(space, finished) == before


def test_an_answer_teaches_and_the_batch_says_that_it_is_older(space, finished, drawn):
    add(space, finished, drawn, role="query")
    bring_up_to(space, finished, "batch", silent)
    first = typed_batches(space, finished)["June"]
    run = load_current(space, finished).run
    assert np.mean(np.array(first.predicted) == np.array(run.predicted)) > 0.95
    cells = run.query.cells[:3]
    payloads = review_payloads([(one, "odd", False) for one in cells], "Ann", now())
    space.decide_all(finished, "review", payloads, "Ann")
    (old,) = batches_of(space, finished)
    assert not old.fresh
    assert old.typed.types == first.types
    bring_up_to(space, finished, "batch", silent)
    (new,) = batches_of(space, finished)
    assert new.fresh
    assert "odd" in new.typed.types
    assert new.typed.taught["answers"] == 3


def test_an_answer_types_the_cells_of_its_batch_alone(space, finished, drawn, monkeypatch):
    add(space, finished, drawn)
    july = add_batch(space, finished, "July")
    space.receive(july.id, files_below(drawn / "query")[:6])
    bring_up_to(space, finished, "batch", silent)
    typed = typed_batches(space, finished)
    taught = []
    teach = TypedBatch.teach

    def counted(batch, reviews):
        taught.append(len(batch.query.cells))
        return teach(batch, reviews)

    monkeypatch.setattr(TypedBatch, "teach", counted)
    payloads = review_payloads([(typed["July"].query.cells[0], "odd", False)], "Ann", now())
    space.decide_all(finished, BATCH_REVIEW, payloads, "Ann")
    assert all(one.is_typed for one in batches_of(space, finished))
    assert taught == []  # no batch is read before its types are asked for
    after = typed_batches(space, finished)
    assert taught == [6]
    assert after["June"] is typed["June"]
    assert "odd" in after["July"].types


def test_a_batch_moves_with_its_study(space, finished, drawn, tmp_path):
    add(space, finished, drawn)
    bring_up_to(space, finished, "batch", silent)
    file = export_study(space, finished, tmp_path / "study.zip")
    with file.open("rb") as opened:
        came = import_study(space, opened).study
    (here,), (there,) = batches_of(space, finished), batches_of(space, came.id)
    assert there.images.name == "June"
    assert there.typed.predicted == here.typed.predicted
    assert there.typed.drift == here.typed.drift
    assert there.fresh
    copied = space.duplicate(finished, "Copy").id
    assert typed_batches(space, copied)["June"].predicted == here.typed.predicted


def test_a_batch_can_be_the_query_of_a_study_of_its_own(space, finished, drawn):
    batch = add(space, finished, drawn)
    with pytest.raises(StudyError, match="not finished"):
        as_new_study(space, space.image_set(batch.id))
    space.sign(finished, "Ann")
    made = as_new_study(space, space.image_set(batch.id))
    query = space.pooled(made.id, "query")
    assert query.cells == space.dataset(space.image_set(batch.id)).cells
    assert set(space.pooled(made.id, "reference").cells) <= set(
        space.pooled(finished, "query").cells
    )


def test_new_cells_stand_beside_the_old_ones_marked_by_their_batch(space, finished, drawn):
    add(space, finished, drawn)
    bring_up_to(space, finished, "batch", silent)
    current = load_current(space, finished)
    own = StudyTables(current.run, current.reviews).workbook()["cells"]
    whole = with_batches(own, typed_batches(space, finished))
    assert set(whole["batch"]) == {"", "June"}
    old = whole[whole["batch"] == ""][list(own)]
    assert csv_bytes(old) == csv_bytes(own)
    new = whole[whole["batch"] == "June"]
    assert set(new["decided_by"]) == {"classifier"}
    assert (new["final_type"] == new["predicted_type"]).all()


def test_new_cells_stand_beside_old_ones_that_have_answers(space, finished, drawn):
    cells = space.pooled(finished, "query").cells
    (given,) = review_payloads([(cells[0], "a", False)], "Ann", now())
    space.decide(finished, "review", given, "Ann")
    add(space, finished, drawn)
    bring_up_to(space, finished, "batch", silent)
    current = load_current(space, finished)
    own = StudyTables(current.run, current.reviews).workbook()["cells"]
    typed = typed_batches(space, finished)
    whole = with_batches(own, typed)
    assert whole.columns.is_unique
    old, new = (whole[(whole["batch"] == "") == kept] for kept in (True, False))
    assert csv_bytes(old[list(own)]) == csv_bytes(own)
    assert new["unknown"].sum() == typed["June"].unknown[typed["June"].query.cell_index].sum()


def test_what_cannot_be_added_says_why(space, finished, drawn):
    with pytest.raises(StudyError, match="are not typed yet"):
        add_batch(space, space.create("Empty").id, "June")
    add(space, finished, drawn)
    with pytest.raises(StudyError, match="a batch called June"):
        add_batch(space, finished, " June ")


def answer(space, study, cells, name, reader="Ann"):
    payloads = review_payloads([(one, name, False) for one in cells], reader, now())
    space.decide_all(study, BATCH_REVIEW, payloads, reader)


def test_cells_of_a_batch_are_answered_after_the_study_was_signed(space, finished, drawn):
    add(space, finished, drawn)
    bring_up_to(space, finished, "batch", silent)
    space.sign(finished, "Ann")
    before = results(space, finished)
    first = typed_batches(space, finished)["June"]
    cells = [first.query.cells[cell] for cell in first.queue[:2].tolist()]
    other = first.types[0]
    answer(space, finished, cells, other)
    (batch,) = batches_of(space, finished)
    assert batch.fresh  # answers on the batch do not make its result older
    assert batch.typed.answered.sum() == 2
    assert batch.untaught.probabilities.tolist() == first.probabilities.tolist()
    assert results(space, finished) == before
    own = load_current(space, finished)
    assert own.reviews == ()
    whole = with_batches(
        StudyTables(own.run, own.reviews).workbook()["cells"], typed_batches(space, finished)
    )
    new = whole[whole["batch"] == "June"].set_index("sha256").loc[cells]
    assert set(new["final_type"]) == {other}
    assert set(new["decided_by"]) == {"Ann"}
    assert len(space.undo(finished, BATCH_REVIEW, "Ann")) == 2
    (undone,) = batches_of(space, finished)
    assert undone.typed.final == first.final


def test_answers_on_a_batch_are_listed_revised_and_taken_along(space, finished, drawn, tmp_path):
    images = add(space, finished, drawn)
    bring_up_to(space, finished, "batch", silent)
    cell = typed_batches(space, finished)["June"].query.cells[0]
    answer(space, finished, [cell], "odd")
    (listed,) = list_answers(space, finished)
    assert (listed.cells, listed.said, listed.batch) == ((cell,), "odd", True)
    payloads = revised_payloads([listed], "rare", ["a"])
    assert {*payloads} == {BATCH_REVIEW}
    space.decide_all(finished, BATCH_REVIEW, payloads[BATCH_REVIEW], "Ann")
    assert typed_batches(space, finished)["June"].final[0] == "rare"
    assert [one.stands for one in list_answers(space, finished)] == [True, False]

    file = export_study(space, finished, tmp_path / "study.zip")
    with file.open("rb") as opened:
        came = import_study(space, opened).study
    assert typed_batches(space, came.id)["June"].final[0] == "rare"

    space.sign(finished, "Ann")
    made = as_new_study(space, space.image_set(images.id))
    brought = [one for one in list_answers(space, made.id) if one.stands]
    assert [(one.cells, one.said, one.reader, one.source) for one in brought] == [
        ((cell,), "rare", "Ann", "June")
    ]


def test_a_batch_that_cannot_be_typed_does_not_hold_up_the_others(space, finished, drawn):
    bad = add(space, finished, drawn, "Bad")
    space.receive(bad.id, [("metadata.csv", b"nofile;x\n1;2\n")])
    add(space, finished, drawn, "Good", role="query")
    with pytest.raises(StudyError, match=r"Bad/metadata\.csv needs the columns file"):
        bring_up_to(space, finished, "batch", silent)
    assert {*typed_batches(space, finished)} == {"Good"}
    assert plan_job(space, finished, "batch")
    (cell, *_) = space.dataset(space.sets(finished, "query")[0]).cells
    known = known_cells(space, finished)
    assert known(space.images.joinpath(cell[:2], cell).read_bytes())
    assert not known(b"another")


def test_cells_that_look_alike_are_typed(space, finished, drawn):
    alike = add_batch(space, finished, "Alike")
    space.receive(alike.id, [(f"{n}.png", png(9, side=16 + 16 * n)) for n in range(3)])
    bring_up_to(space, finished, "batch", silent)
    found = typed_batches(space, finished)["Alike"]
    assert np.isfinite(found.probabilities).all()
    assert len({*found.predicted}) == 1


def test_no_two_batches_have_the_same_name(space, finished, drawn):
    add(space, finished, drawn)
    july = add(space, finished, drawn, "July", role="query")
    for name in ("June", " June "):
        with pytest.raises(StudyError, match="a batch called June"):
            space.change_set(july.id, name=name)
        with pytest.raises(StudyError, match="a batch called June"):
            space.add_set(finished, "batch", name)
    space.change_set(july.id, name="July", um_per_px=0.2)
    bring_up_to(space, finished, "batch", silent)
    assert {*typed_batches(space, finished)} == {"June", "July"}
    space.change_set(july.id, name="August")
    assert {*typed_batches(space, finished)} == {"June", "August"}


def test_a_batch_that_has_grown_since_it_was_shown_becomes_a_study(space, finished, drawn):
    batch = add(space, finished, drawn)  # as it was without files
    bring_up_to(space, finished, "batch", silent)
    cell = typed_batches(space, finished)["June"].query.cells[0]
    answer(space, finished, [cell], "odd")
    space.receive(batch.id, [("later.png", png(7, side=40))])
    space.sign(finished, "Ann")
    made = as_new_study(space, batch)
    assert [one.said for one in list_answers(space, made.id)] == ["odd"]


def test_a_batch_is_not_shown_with_names_that_types_no_longer_have(space, finished, drawn):
    add(space, finished, drawn)
    bring_up_to(space, finished, "batch", silent)
    before = typed_batches(space, finished)["June"]
    first, second = before.types[:2]
    (reference,) = space.sets(finished, "reference")
    for mapping in ({first: "renamed"}, {first: second, second: first}):
        space.change_set(reference.id, mapping=mapping)
        bring_up_to(space, finished, "classify", silent)
        (old,) = batches_of(space, finished)
        assert (old.typed, old.fresh) == (None, False)
        bring_up_to(space, finished, "batch", silent)
        now = [mapping.get(one, one) for one in before.predicted]
        assert typed_batches(space, finished)["June"].predicted == tuple(now)


def test_undo_can_be_restricted_to_the_cells_of_a_batch(space, finished, drawn):
    add(space, finished, drawn)
    cells = space.dataset(space.sets(finished, "batch")[0]).cells
    for cell in cells[:3]:
        answer(space, finished, [cell], "odd")
    together = [
        {**one, "together": 2}
        for one in review_payloads([(cell, "rare", False) for cell in cells[3:5]], "Ann", now())
    ]
    space.decide_all(finished, BATCH_REVIEW, together, "Ann")

    def undone(among):
        some = space.undo(finished, BATCH_REVIEW, "Ann", among)
        return tuple(one.payload["cell"] for one in some)

    assert undone({cells[7]}) == ()
    assert undone({cells[0], cells[1]}) == (cells[1],)
    assert undone({cells[3]}) == cells[3:5]  # at one stroke
    assert undone(None) == (cells[2],)


def kept_results(space, study):
    return {path.name for path in space.result_path(study, "batch", "").parent.glob("batch-*")}


def make_old(space, study):
    for path in space.result_path(study, "batch", "").parent.glob("batch-*"):
        os.utime(path, (0, 0))


def test_results_of_earlier_images_do_not_pile_up(space, finished, drawn):
    batch = add(space, finished, drawn)
    kept = []
    for number in range(3):  # as files arrive
        space.receive(batch.id, [(f"{number}.png", png(number, side=40))])
        bring_up_to(space, finished, "batch", silent)
        kept.append(kept_results(space, finished))
        make_old(space, finished)
    assert [len(one) for one in kept] == [1, 1, 1]
    answered = load_current(space, finished).run.query.cells[:1]
    payloads = review_payloads([(answered[0], "odd", False)], "Ann", now())
    space.decide_all(finished, "review", payloads, "Ann")
    bring_up_to(space, finished, "batch", silent)
    # With other answers the images are the same: both results can be shown again.
    assert len(kept_results(space, finished)) == 2


def test_a_removed_batch_is_erased_with_its_results(space, finished, drawn):
    batch = add(space, finished, drawn)
    other = add(space, finished, drawn, "July", role="query")
    bring_up_to(space, finished, "batch", silent)
    space.remove_set(batch.id)
    space.sweep()
    assert len(kept_results(space, finished)) == 2  # a page may still read it
    make_old(space, finished)
    assert space.sweepable().size > 0
    freed = space.sweep(who="Ann").size
    assert freed > 0
    assert len(kept_results(space, finished)) == 1
    assert {*typed_batches(space, finished)} == {other.name}

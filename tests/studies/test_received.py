from threading import Barrier, Thread

import pytest

from celltransfer_core.errors import DataError
from celltransfer_core.studies import Workspace
from tests.studies.samples import png

CELLS = 10


def site(shade, kinds, **more):
    """Images of one site, all of one size, and the table of their types."""
    files = {f"{n}.png": png(shade + n) for n in range(CELLS)}
    rows = [f"{n}.png,{kinds[n % 2]}" for n in range(CELLS)]
    return [*files.items(), ("labels.csv", "\n".join(["file,label", *rows]).encode())]


A, B = site(0, ("neutrophil", "lymphocyte")), site(100, ("monocyte", "eosinophil"))
OWN = {
    png(shade + n): kinds[n % 2]
    for shade, kinds in ((0, ("neutrophil", "lymphocyte")), (100, ("monocyte", "eosinophil")))
    for n in range(CELLS)
}


@pytest.fixture
def reference(space, study):
    return space.add_set(study.id, "reference", "Reference")


def typed(space, reference):
    """Type of each cell, by the image that it was sent as."""
    dataset = space.dataset(space.image_set(reference.id))
    return {
        dataset.path(cell).read_bytes(): label
        for cell, label in enumerate(dataset.cell_labels.tolist())
    }


@pytest.mark.parametrize(
    ("clash", "clashing", "kept"),
    [
        ("ask", 11, A[:-1]),
        ("leave", 0, A[:-1]),
        ("replace", 0, B[:-1]),
        ("both", 0, [*A[:-1], *B[:-1]]),
    ],
)
def test_no_cell_gets_the_word_of_another_one(space, reference, clash, clashing, kept):
    assert {len(data) for _, data in A[:-1]} == {len(data) for _, data in B[:-1]}
    space.receive(reference.id, A)
    received = space.receive(reference.id, B, clash=clash)
    assert len(received.clashing) == clashing
    assert received.taken == (0 if clash in ("ask", "leave") else 11)
    assert typed(space, reference) == {data: OWN[data] for _, data in kept}


def test_the_same_again_changes_nothing(space, reference):
    space.receive(reference.id, A)
    before = space.image_set(reference.id).revision
    received = space.receive(reference.id, A)
    assert (received.taken, received.clashing) == (11, ())
    assert space.image_set(reference.id).revision == before


def test_keeping_both_goes_on_where_it_was_broken_off(space, reference):
    space.receive(reference.id, A)
    space.receive(reference.id, B[:4], clash="both")
    for _ in range(2):
        space.receive(reference.id, B, clash="both")
    assert typed(space, reference) == OWN
    assert len(space.known_files(reference.id)) == 2 * CELLS


def test_a_broken_image_does_not_take_the_place_of_a_whole_one(space, reference):
    space.receive(reference.id, A)
    for clash in ("ask", "both", "replace", "leave"):
        received = space.receive(reference.id, [("1.png", b"broken")], clash=clash)
        assert (received.taken, len(received.refused)) == (0, 1)
    assert len(typed(space, reference)) == CELLS
    space.receive(reference.id, [("new.png", b"broken")])
    assert space.receive(reference.id, [("new.png", png(77))]).taken == 1


def test_a_table_that_cannot_be_read_is_never_passed_over(space, reference):
    images = [("a/1.png", png(1)), ("b/2.png", png(2))]
    for table in (
        b"name,kind\na/1.png,x\n",
        b"file,label\na/1.png,\xe4\xe5\xe6\n",
        b'file,label\n"a/1',
    ):
        received = space.receive(reference.id, [*images, ("labels.csv", table)])
        assert [name for name, _ in received.refused] == ["labels.csv"]
        with pytest.raises(DataError, match=r"Reference/labels\.csv"):
            space.dataset(space.image_set(reference.id))
    whole = b"file,label\na/1.png,x\nb/2.png,y\n"
    assert space.receive(reference.id, [("labels.csv", whole)]).taken == 1  # nothing to ask
    assert sorted(typed(space, reference).values()) == ["x", "y"]
    # One that can be read is not given up for one that cannot.
    received = space.receive(reference.id, [("labels.csv", b"name\n")], clash="replace")
    assert "The existing table is kept." in received.refused[0][1]
    assert sorted(typed(space, reference).values()) == ["x", "y"]
    space.take_out_table(reference.id, "labels.csv")
    assert sorted(typed(space, reference).values()) == ["a", "b"]


def test_slides_of_two_tables_follow_their_images(space, study, query_set):
    for shade, slide in ((0, "S1"), (100, "S2")):
        files = [(f"{n}.png", png(shade + n)) for n in range(3)]
        rows = "".join(f"{n}.png,{slide}\n" for n in range(3))
        files.append(("metadata.csv", f"file,slide\n{rows}".encode()))
        space.receive(query_set.id, files, clash="both")
    dataset = space.dataset(space.image_set(query_set.id))
    found = {
        (dataset.read(cell)[0, 0, 0] >= 100, slide)
        for cell, slide in zip(dataset.cell_index, dataset.slide, strict=True)
    }
    assert found == {(False, "S1"), (True, "S2")}


def test_two_uploads_at_once_do_not_replace_each_other(space, reference):
    together = Barrier(2)
    answers = []

    def send(files):
        own = Workspace(space.folder, space.url)
        together.wait()
        answers.append(own.receive(reference.id, files))

    threads = [Thread(target=send, args=(files,)) for files in (A, B)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(len(one.clashing) for one in answers) == [0, 11]
    found = typed(space, reference)
    assert found == {data: OWN[data] for data in found}


def test_tables_in_folders_and_twice_are_refused(space, reference):
    received = space.receive(
        reference.id,
        [("a/labels.csv", b"file,label\n"), ("labels.csv", b"file,label\n"), ("Labels.csv", b"x")],
    )
    assert [name for name, _ in received.refused] == ["a/labels.csv", "Labels.csv"]

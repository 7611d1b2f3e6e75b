from dataclasses import replace

from celltransfer_core.data.relabelled import relabelled


def test_labels_are_mended_and_cells_left_out(reference):
    first, second = reference.cells[:2]
    named = tuple(f"slide {n}" for n in range(len(reference.files)))
    before = replace(reference, slide=named)
    found = relabelled(before, {first: "monocyte", second: "", "another": "monocyte"})
    assert found.cells == (first, *reference.cells[2:])
    assert found.cell_labels[0] == "monocyte"
    assert found.cell_labels[1:].tolist() == reference.cell_labels[2:].tolist()
    assert found.slide == (named[0], *named[2:])
    (remark,) = found.left_out
    assert remark.file == reference.first_file[1]
    assert "it was left out after a check" in remark.reason
    assert relabelled(before, {}) is before
    assert relabelled(before, {"another": ""}) is before


def test_all_copies_of_a_cell_are_mended(reference):
    sha = reference.cells[0]
    twice = replace(
        reference,
        files=("copy.png", *reference.files),
        sha256=(sha, *reference.sha256),
        labels=(reference.labels[0], *reference.labels),
    )
    assert relabelled(twice, {sha: "monocyte"}).labels[:2] == ("monocyte", "monocyte")
    assert relabelled(twice, {sha: ""}).cells == reference.cells[1:]

"""Cells are known by what their images hold, not by the names of files."""

from dataclasses import replace

import numpy as np
import pytest

from celltransfer_core.errors import DataError
from celltransfer_core.matching import Confirmation
from celltransfer_core.outputs import (
    Pseudonyms,
    StudyTables,
    clusters_table,
    csv_bytes,
    matches_table,
    read_answers,
    read_clusters,
    read_matches,
    reviews_table,
)
from celltransfer_core.pipeline import check_contents, cluster_hashes

NEW = "f" * 64
"""Hash of an image that came in place of another one; the last in order, as that was."""


@pytest.fixture
def replaced(result):
    """The query after the image of its last cell was replaced by a corrected one."""
    query = result.query
    old = query.cells[-1]
    return replace(query, sha256=tuple(NEW if one == old else one for one in query.sha256))


@pytest.fixture
def written(result, answer, tmp_path):
    """The folder of a run's tables, all clusters confirmed."""
    reviews = [answer(3, result.types[0]), answer(result.query.n_cells - 1, result.types[1])]
    tables = {
        "clusters": clusters_table(result),
        "matches": matches_table(result).assign(confirmed=True, matched_type=result.types[0]),
        "reviews": reviews_table(result.query, reviews),
    }
    for name, table in tables.items():
        (tmp_path / f"{name}.csv").write_bytes(csv_bytes(table))
    return tmp_path


def test_every_table_that_is_read_back_has_hashes(written):
    for name in ("clusters", "matches", "reviews"):
        header = (written / f"{name}.csv").read_text(encoding="utf-8-sig").split("\n")[0]
        assert "sha256" in header.split(",")


def test_clusters_of_a_replaced_image_are_refused_by_name(written, replaced):
    file = replaced.first_file[-1]
    with pytest.raises(DataError, match=rf"line \d+: {file} is another image now; cluster the"):
        read_clusters(written / "clusters.csv", replaced)


def test_answers_on_a_replaced_image_are_refused_by_name(written, replaced, result):
    with pytest.raises(DataError, match=f"line 3: {replaced.first_file[-1]} is another image now"):
        read_answers(written / "reviews.csv", replaced, result.types)


def test_answers_of_another_query_say_so(written, replaced, result):
    elsewhere = replace(replaced, files=tuple(f"x-{name}" for name in replaced.files))
    with pytest.raises(DataError, match=r"line 3: .* is not in the query; was the file made for"):
        read_answers(written / "reviews.csv", elsewhere, result.types)


def test_matches_of_a_cluster_with_a_replaced_image_are_refused(written, replaced, result):
    told = read_matches(written / "matches.csv", result.types)
    check_contents(told, result.clusters, result.query.cells)
    number = result.clusters.names[result.clusters.labels[-1]]
    with pytest.raises(DataError, match=f"other cells are now in cluster {number}. Give"):
        check_contents(told, result.clusters, replaced.cells)


def test_matches_without_hashes_are_read_as_before(result, tmp_path):
    old = matches_table(result).drop(columns="sha256").assign(confirmed=True)
    (tmp_path / "m.csv").write_bytes(csv_bytes(old))
    told = read_matches(tmp_path / "m.csv", result.types)
    check_contents(told, result.clusters, result.query.cells[::-1])
    assert len(told) == len(old)
    check_contents([Confirmation(int(result.clusters.names[0]), "a")], result.clusters, ())


def test_images_that_were_renamed_keep_what_was_said(written, result):
    files = tuple(f"new/{name}" for name in result.query.files)
    query = replace(result.query, files=files)
    found = read_clusters(written / "clusters.csv", query)
    np.testing.assert_array_equal(found.labels, result.clusters.labels)
    assert len(read_answers(written / "reviews.csv", query, result.types)) == 2
    swapped = replace(result.query, sha256=result.query.sha256[::-1])
    found = read_clusters(written / "clusters.csv", swapped)
    np.testing.assert_array_equal(found.labels, result.clusters.labels)


def test_clusters_without_hashes_are_found_by_file(result, tmp_path):
    (tmp_path / "c.csv").write_bytes(csv_bytes(clusters_table(result).drop(columns="sha256")))
    found = read_clusters(tmp_path / "c.csv", result.query)
    np.testing.assert_array_equal(found.labels, result.clusters.labels)


@pytest.mark.parametrize("name", ["clusters", "matches", "reviews"])
def test_pseudonyms_are_told_from_other_hashes(result, answer, tmp_path, name):
    tables = StudyTables(result, [answer(1, result.types[0])], Pseudonyms(b"secret")).all()
    hidden = tables[name].assign(confirmed=True)
    assert not hidden["sha256"].isin([*result.query.cells, *cluster_hashes_of(result)]).any()
    (tmp_path / "t.csv").write_bytes(csv_bytes(hidden))
    readers = {
        "clusters": lambda path: read_clusters(path, result.query),
        "matches": lambda path: read_matches(path, result.types),
        "reviews": lambda path: read_answers(path, result.query, result.types),
    }
    with pytest.raises(DataError, match=r"line 2, has a pseudonym .* export the table without"):
        readers[name](tmp_path / "t.csv")


def cluster_hashes_of(result):
    return cluster_hashes(result.clusters, result.query.cells)


def test_a_cluster_is_another_one_as_soon_as_a_cell_is(result):
    before = cluster_hashes_of(result)
    assert len({*before}) == len(before)
    place = int(result.clusters.labels[-1])
    after = cluster_hashes(result.clusters, (*result.query.cells[:-1], NEW))
    assert [n for n, (a, b) in enumerate(zip(before, after, strict=True)) if a != b] == [place]

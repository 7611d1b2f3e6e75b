import io
import json
import shlex
import subprocess
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from celltransfer_core.cli import describe_run
from celltransfer_core.cli.main import main
from celltransfer_core.config import DEFAULT, PAPER
from celltransfer_core.data import read_dataset
from celltransfer_core.errors import DataError, OutputError
from celltransfer_core.matching import Confirmation
from celltransfer_core.outputs import (
    Pseudonyms,
    clusters_table,
    command_line,
    csv_bytes,
    differential_table,
    manifest,
    matches_table,
    predictions_table,
    read_answers,
    read_clusters,
    read_matches,
    reviewed_table,
    reviews_table,
    without_names,
    write_h5ad,
    write_images,
    write_run,
)
from celltransfer_core.people import (
    CALIBRATED_FROM,
    KINDS,
    Annotations,
    Review,
    calibrate,
    prediction_sets,
    sample_order,
)
from celltransfer_core.pipeline import run, update_vote
from celltransfer_core.runtime import Cache, check_writable, write_atomically
from celltransfer_core.vocabulary import ARTEFACT, UNSURE


@pytest.fixture(scope="module")
def result(reference, query, tmp_path_factory):
    config = replace(DEFAULT, encoders=(("colour",),), draws=1)
    return run(reference, query, config, cache=Cache(tmp_path_factory.mktemp("c")), workers=1)


@pytest.mark.parametrize("table_format", ["csv", "parquet", "h5ad"])
def test_everything_is_written_and_read_again(result, tmp_path, table_format):
    written = write_run(result, tmp_path / "new" / "folder", table_format)
    assert written[0].name == "predictions.csv"
    assert all(path.is_file() for path in written)
    assert not list(written[0].parent.glob(".*"))
    table = pd.read_csv(written[0])
    assert table["predicted_type"].tolist() == [
        dict(zip(result.query.cells, result.predicted, strict=True))[sha] for sha in table["sha256"]
    ]
    assert set(table["flagged"]) <= {True, False}
    folder = written[0].parent
    if table_format == "parquet":
        assert (
            pd.read_parquet(folder / "predictions.parquet")["file"].tolist()
            == table["file"].tolist()
        )
    if table_format == "h5ad":
        read = anndata.read_h5ad(folder / "predictions.h5ad")
        assert read.obs_names.tolist() == table["file"].tolist()
        assert read.var_names.tolist() == list(result.types)
        assert json.loads(read.uns["manifest"])["seed"] == 0


def test_arrays_are_named(result, tmp_path):
    write_run(result, tmp_path)
    scores = np.load(tmp_path / "similarity.npz")
    shape = (len(scores["clusters"]), len(scores["types"]))
    assert scores["query/cosine"].shape == (1, *shape)
    for name in ("mean_row", "count_col", "score_row", "score_col", "p"):
        assert scores[f"query/{name}"].shape == shape
    assert scores["plane/position"].shape == (sum(shape), 2)
    neighbours = np.load(tmp_path / "neighbours.npz")
    index = neighbours["colour:fgw/index"]
    assert index.shape == (result.query.n_cells, 10)
    files = neighbours["reference_files"][index[0]]
    assert all((result.reference.root / file).is_file() for file in files)


def test_confirmed_rows_come_back(result, tmp_path):
    write_run(result, tmp_path)
    path = tmp_path / "matches.csv"
    assert read_matches(path) == ()
    lines = path.read_text().splitlines()
    cells = lines[1].split(",")
    cells[2], cells[8], cells[9] = "none", "TRUE", "Dr K"
    path.write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]))
    (word,) = read_matches(path)
    assert (word.cluster, word.type_name, word.by) == (0, "none", "Dr K")
    assert word.cells == result.clusters.sizes[0]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,b\n1,2\n", "needs the columns cluster, confirmed, matched_type"),
        ("cluster,matched_type,confirmed\n0,x,yes\n", "write true or false"),
        ("cluster,matched_type,confirmed\nzero,x,true\n", "no cluster number"),
        ("cluster,matched_type,confirmed\n0,,true\n", "without a matched_type"),
        ("cluster,matched_type,confirmed\n0,x,true\n0,y,true\n", "twice"),
    ],
)
def test_matches_that_cannot_be_read(tmp_path, rows, message):
    (tmp_path / "m.csv").write_text(rows)
    with pytest.raises(DataError, match=message):
        read_matches(tmp_path / "m.csv")
    with pytest.raises(DataError, match="cannot be read"):
        read_matches(tmp_path / "gone.csv")


def test_clusters_come_back_with_their_numbers(result, tmp_path):
    write_run(result, tmp_path)
    path = tmp_path / "clusters.csv"
    again = read_clusters(path, result.query)
    np.testing.assert_array_equal(again.labels, result.clusters.labels)
    np.testing.assert_allclose(again.centrality, result.clusters.centrality, atol=1e-6)
    table = pd.read_csv(path)
    table["cluster"] = table["cluster"].where(table["cluster"] != 0, 7)
    path.write_bytes(csv_bytes(table))
    moved = read_clusters(path, result.query)
    assert 7 in moved.names
    assert 0 not in moved.names
    pinned = run(
        result.reference, result.query, result.config, clusters=moved, cache=Cache(tmp_path / "c")
    )
    np.testing.assert_array_equal(pinned.clusters.names, moved.names)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda t: t[1:], "has no cluster for 1 of 30 cells"),
        (lambda t: t.assign(cluster="x"), "holds no number"),
        (lambda t: t.assign(cluster=-1), "start at 0"),
        (lambda t: t.drop(columns="cluster"), "needs the columns cluster, file"),
    ],
)
def test_clusters_that_do_not_fit(result, tmp_path, edit, message):
    write_run(result, tmp_path)
    path = tmp_path / "clusters.csv"
    path.write_bytes(csv_bytes(edit(pd.read_csv(path))))
    with pytest.raises(DataError, match=message):
        read_clusters(path, result.query)


def test_a_slides_differential_count(result):
    table = differential_table(result)
    assert table["cells"].sum() == result.query.n_cells
    n = len(result.query.files)
    halves = tuple("s1" if i < 10 else "s2" for i in range(n))
    slides = replace(result.query, slide=halves, patient=("p",) * n)
    table = differential_table(replace(result, query=slides))
    first = table[table["slide"] == "s1"]
    assert first["cells"].sum() == 10
    assert first["percent"].sum() == pytest.approx(100)
    assert set(first["patient"]) == {"p"}
    assert ((first["low"] <= first["percent"]) & (first["percent"] <= first["high"])).all()
    none = first[first["cells"] == 0]
    # Wilson's interval for 0 of 10 at 95 %.
    assert none["high"].tolist() == pytest.approx([27.75] * len(none), abs=0.01)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="another folder with --out"):
        check_writable(tmp_path / "file" / "out")


def test_a_full_disk_leaves_no_half_file(tmp_path, monkeypatch):
    path = write_atomically(tmp_path / "a.csv", b"old")

    def full(self, data):
        with io.FileIO(self, "w") as file:
            file.write(data[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OutputError, match="free some space and run again"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


def test_a_really_full_disk(result, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if not Path("/bin/mount").exists():
        pytest.skip("needs a system with /bin/mount")
    mounted = subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk needs more rights than this user has")
    try:
        with pytest.raises(OutputError, match="free some space"):
            write_run(result, disk / "out")
    finally:
        subprocess.run(["/bin/umount", str(disk)], check=True)


def answer(result, cell, said, reader="Ann", minute=0):
    return Review(result.query.cells[cell], said, reader, f"2025-01-01T00:{minute:02}:00", False)


def test_reviews_follow_the_predictions_and_change_none(result):
    other = next(name for name in result.types if name != result.predicted[0])
    reviews = [
        answer(result, 0, UNSURE),
        answer(result, 0, other, minute=1),
        answer(result, 1, ARTEFACT, "Ben", 2),
        answer(result, 2, UNSURE, minute=3),
    ]
    table = reviewed_table(result, reviews)
    plain = predictions_table(result)
    pd.testing.assert_frame_equal(table[plain.columns], plain)
    assert [*table.columns[-4:]] == ["reviewed_type", "final_type", "reviewed_by", "reviewed_at"]
    said = table.set_index("sha256").iloc[:, -4:].T
    cells = result.query.cells
    assert said[cells[0]].tolist() == [other, other, "Ann", "2025-01-01T00:01:00"]
    assert said[cells[1]].tolist() == [ARTEFACT, ARTEFACT, "Ben", "2025-01-01T00:02:00"]
    assert said[cells[2]].tolist() == [UNSURE, result.predicted[2], "Ann", "2025-01-01T00:03:00"]
    assert said[cells[3]].tolist() == ["", result.predicted[3], "", ""]
    every = reviews_table(result.query, [*reviews, replace(reviews[0], cell="gone")])
    assert every["type"].tolist() == [UNSURE, other, ARTEFACT, UNSURE]
    assert every["file"].tolist() == [result.query.first_file[cell] for cell in (0, 0, 1, 2)]


def test_a_differential_count_after_review(result):
    counted = ["blast", ARTEFACT, *result.predicted[2:]]
    table = differential_table(result, counted)
    assert table["cells"].sum() == result.query.n_cells - 1
    assert table["percent"].sum() == pytest.approx(100)
    assert table["type"].tolist() == [*result.types, "blast"]
    assert len(differential_table(result, [ARTEFACT] * result.query.n_cells)) == 0


@pytest.mark.parametrize("text", ["=1+1", "+x", "-x", "@x", "\tx", "'=x"])
def test_a_spreadsheet_takes_no_text_for_a_formula(text):
    table = pd.DataFrame({"file": [text, "a=b"], "n": [-1.5, 2.0], "yes": [True, False]})
    written = pd.read_csv(io.BytesIO(csv_bytes(table, guarded=True)))
    assert written["file"].tolist() == [f"'{text}", "a=b"]
    assert written["n"].tolist() == [-1.5, 2.0]
    assert pd.read_csv(io.BytesIO(csv_bytes(table)))["file"][0] == text


def test_guarded_names_come_back(result, tmp_path):
    files = tuple(f"=f-{number}.png" for number in range(len(result.query.files)))
    query = replace(result.query, files=files)
    odd = replace(result, query=query)
    path = tmp_path / "clusters.csv"
    path.write_bytes(csv_bytes(clusters_table(odd), guarded=True))
    np.testing.assert_array_equal(read_clusters(path, query).labels, result.clusters.labels)
    table = matches_table(result).assign(matched_type="+x", confirmed="true", by="@me")
    path.write_bytes(csv_bytes(table, guarded=True))
    assert {(word.type_name, word.by) for word in read_matches(path)} == {("+x", "@me")}


def test_pseudonyms_stand_for_every_name(result):
    n = len(result.query.files)
    query = replace(result.query, slide=("s;1",) * n, patient=("",) * (n - 1) + ("Jo",))
    named = replace(result, query=query)
    hidden = Pseudonyms.of_study("secret", "study")
    private = replace(named, query=hidden.dataset(query))
    table = hidden.hide(reviewed_table(private, [answer(result, 0, ARTEFACT)]))
    known = hidden.table(query)
    told = dict(zip(known["pseudonym"], known["name"], strict=True))
    assert len(told) == len(known) == n + result.query.n_cells + 2
    real = reviewed_table(named, [answer(result, 0, ARTEFACT)])
    back = table.assign(
        **{
            kind: table[kind].map({**told, "": ""})
            for kind in ("file", "sha256", "slide", "patient")
        }
    ).sort_values("file", ignore_index=True)
    pd.testing.assert_frame_equal(back, real, check_dtype=False)
    assert set(hidden.table(query)["pseudonym"]).isdisjoint(
        Pseudonyms.of_study("secret", "other").table(query)["pseudonym"]
    )
    text = csv_bytes(table).decode() + json.dumps(without_names(manifest(named)))
    assert not any(name in text for name in (*query.files, *query.cells, "s;1"))


def test_images_by_type(result, tmp_path):
    names = ["a/b", "A_B", "..", *result.predicted[3:]]
    path = write_images(result.query, names, tmp_path / "images.zip")
    with zipfile.ZipFile(path) as archive:
        entries = archive.namelist()
        assert len(entries) == len(set(entries)) == len(result.query.files)
        assert {entry.split("/")[0] for entry in entries} == {
            "a_b-2",
            "A_B",
            "unnamed",
            *names[3:],
        }
        assert all(len(Path(entry).parts) == 2 and ".." not in entry for entry in entries)
        pixels = np.asarray(Image.open(io.BytesIO(archive.read(entries[0]))))
    np.testing.assert_array_equal(pixels, result.query.read(0))
    again = write_images(result.query, names, tmp_path / "again.zip")
    assert again.read_bytes() == path.read_bytes()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["again.zip", "images.zip"]
    hidden = Pseudonyms(b"key")
    path = write_images(result.query, names, tmp_path / "hidden.zip", pseudonyms=hidden)
    with zipfile.ZipFile(path) as archive:
        assert {Path(entry).stem for entry in archive.namelist()} == {
            hidden.of("file", file) for file in result.query.files
        }


def test_images_leave_what_tells_of_people_behind(tmp_path):
    folder = tmp_path / "query"
    folder.mkdir()
    image = Image.new("RGB", (20, 20), (200, 100, 50))
    exif = image.getexif()
    exif[0x013B] = "Patient Jo"
    image.save(folder / "cell.jpg", exif=exif, comment=b"Patient Jo")
    path = write_images(read_dataset(folder, workers=1), ["x"], tmp_path / "images.zip")
    assert b"Patient Jo" in (folder / "cell.jpg").read_bytes()
    assert b"Patient Jo" not in path.read_bytes()


def test_the_command_line_gives_the_same_predictions(drawn, result, tmp_path, monkeypatch):
    number = int(result.clusters.names[0])
    config = replace(result.config, resolution=1.7, flag_threshold=0.65)
    word = Confirmation(number, result.types[0], "Ann")
    reviews = [
        answer(result, 0, "=blast"),
        answer(result, 1, result.types[0], minute=1),
        answer(result, 2, ARTEFACT, "Ben", 2),
    ]
    said = run(
        result.reference,
        result.query,
        config,
        confirmations=[word],
        reviews=reviews,
        clusters=result.clusters,
        cache=Cache(tmp_path / "c"),
        workers=1,
    )
    monkeypatch.chdir(tmp_path)
    for role in ("reference", "query"):
        (tmp_path / role).symlink_to(drawn / role)
    for name, table in (
        ("clusters", clusters_table(said)),
        ("matches", matches_table(said)),
        ("reviews", reviews_table(said.query, reviews)),
    ):
        (tmp_path / f"{name}.csv").write_bytes(csv_bytes(table, guarded=True))
    words = shlex.split(command_line(config, reviews="reviews.csv").replace("\\\n", ""))
    assert words[:3] == ["python", "-m", "celltransfer_core"]
    assert "--resolution" in words
    assert "--alpha" not in words
    assert main([*words[3:], "--quiet", "--workers", "1"]) == 0
    assert (tmp_path / "results" / "predictions.csv").read_bytes() == csv_bytes(
        reviewed_table(said, reviews)
    )
    assert "=blast" in said.types
    assert (tmp_path / "results" / "reviews.csv").read_bytes() == csv_bytes(
        reviews_table(said.query, reviews)
    )


def test_who_decided_follows_the_predictions(result):
    words = Annotations(((0, result.types[1]),), ((0, "blast"), (1, result.types[0])))
    taught = update_vote(result, words)
    table, plain = predictions_table(taught), predictions_table(result)
    assert [*table.columns[:7]] == [*plain.columns[:7]]
    assert table["ensemble_type"].tolist() == plain["predicted_type"].tolist()
    says = table[[f"say:{kind}" for kind in KINDS]]
    np.testing.assert_allclose(says.sum(axis=1), 1)
    np.testing.assert_allclose(table.filter(like="share:").sum(axis=1), 1)
    assert {"share:blast", "vote:typed", "distance", "unknown"} <= set(table.columns)
    assert manifest(taught)["taught"]["cells"] == 2
    assert table["calibrated_confidence"].isna().all()  # two cells are too few


def test_names_of_clusters_that_may_be_slips_are_told(result):
    names = [
        Counter(np.array(result.predicted)[result.clusters.labels == place].tolist())
        for place in range(len(result.clusters.names))
    ]
    right = [count.most_common(1)[0][0] for count in names]
    place = int(result.clusters.sizes.argmax())
    slip = next(name for name in result.types if name != right[place])
    named = tuple(enumerate([*right[:place], slip, *right[place + 1 :]]))
    taught = update_vote(result, Annotations(named))
    assert (
        manifest(update_vote(result, Annotations(tuple(enumerate(right)))))["taught"][
            "doubted_clusters"
        ]
        == []
    )
    cluster = int(result.clusters.names[place])
    assert cluster in manifest(taught)["taught"]["doubted_clusters"]
    assert f"cluster {cluster}: look again whether it is {slip}" in describe_run(taught)


def test_calibrated_confidence_and_sets_follow_what_was_typed(result):
    drawn = sample_order(result.query.cells, result.config.seed)[:CALIBRATED_FROM].tolist()
    typed = tuple((cell, result.predicted[cell]) for cell in sorted(drawn))
    taught = update_vote(result, Annotations((), typed))
    reviews = [replace(answer(result, c, result.predicted[c]), blind=True) for c in drawn]
    table = reviewed_table(taught, reviews).set_index("sha256").loc[list(result.query.cells)]
    worth = calibrate(taught.taught)
    np.testing.assert_array_equal(table["calibrated_confidence"], worth.confidence)
    sets = prediction_sets(taught.taught, drawn)
    assert len(sets.missing) < len(taught.types)
    assert not sets.holds.all()
    for cell, left in enumerate(table["not_ruled_out"]):
        held = {name for name, held in zip(taught.types, sets.holds[cell], strict=True) if held}
        assert set(filter(None, left.split("|"))) == held


def test_answers_come_back(result, tmp_path):
    reviews = (answer(result, 3, "=new"), replace(answer(result, 4, UNSURE), blind=True))
    (tmp_path / "r.csv").write_bytes(csv_bytes(reviews_table(result.query, reviews), guarded=True))
    assert read_answers(tmp_path / "r.csv", result.query, result.types) == reviews


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("file", "elsewhere.png", "not in the query"),
        ("reader", "", "who the reader is"),
        ("time", "noon", "no time"),
        ("type", "disputed", "cannot name a type"),
        ("type", "", "at least one letter"),
        ("blind", "maybe", "write true or false"),
        ("type", None, "type"),
    ],
)
def test_answers_that_do_not_fit(result, tmp_path, column, value, message):
    table = reviews_table(result.query, [answer(result, 3, result.types[0])])
    table["sha256"] = ""
    table[column] = value
    table = table if value is not None else table.drop(columns=column)
    (tmp_path / "r.csv").write_bytes(csv_bytes(table))
    with pytest.raises(DataError, match=message):
        read_answers(tmp_path / "r.csv", result.query, result.types)


def test_a_command_line_is_quoted():
    text = command_line(
        replace(PAPER, um_per_px=(0.1, 0.25), encoders=(("a", "b"), ("c",)), keep=("a b", "c")),
        extras=["$(rm x); 'y'"],
        clusters=None,
        matches=None,
    )
    words = shlex.split(text.replace("\\\n", ""))
    assert words[words.index("--extra") + 1] == "$(rm x); 'y'"
    assert words[words.index("--encoders") + 1] == "a+b,c"
    at = words.index("--um-per-px")
    assert words[at + 1 : at + 3] == ["0.1", "0.25"]
    at = words.index("--keep")
    assert words[at + 1 : at + 3] == ["a b", "c"]
    assert words[words.index("--preset") + 1] == "paper"
    assert "--framing" not in words


def test_reviews_in_h5ad(result, tmp_path):
    table = reviewed_table(result, [answer(result, 0, ARTEFACT)])
    read = anndata.read_h5ad(write_h5ad(table, manifest(result), tmp_path / "x.h5ad"))
    assert (read.obs["final_type"] == ARTEFACT).sum() == 1
    assert read.X.shape == (len(table), len(result.types))

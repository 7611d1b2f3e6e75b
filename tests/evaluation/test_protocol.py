from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from celltransfer_core.classify import LinearProbe
from celltransfer_core.cli.main import main
from celltransfer_core.config import DEFAULT
from celltransfer_core.errors import DataError
from celltransfer_core.evaluation import (
    METHODS,
    OT,
    Printed,
    Protocol,
    evaluate,
    majority_confirmations,
    majority_types,
    recipe,
    voter_store,
    with_concatenations,
)
from celltransfer_core.evaluation.report import (
    ensemble_predictions_table,
    results_html,
    results_markdown,
    results_table,
    write_evaluation,
)
from celltransfer_core.pipeline import DISCRIMINANT, detect, identify, prepare, run
from celltransfer_core.runtime import Cache

CONFIG = replace(
    DEFAULT, encoders=(("colour", "shape"), ("colour",)), framing="none", draws=2, seed=3
)
QUICK = Protocol(
    ot=("none", "centre", "fgw"),
    methods=("knn", "ensemble", "majority", "ceiling"),
    subsets=5,
    identification_subsets=1,
    low_label=(),
)


@pytest.fixture(scope="module")
def prepared(reference, query, tmp_path_factory):
    return prepare(
        reference, query, CONFIG, cache=Cache(tmp_path_factory.mktemp("cache")), workers=1
    )


@pytest.fixture(scope="module")
def named(prepared):
    return identify(prepared, detect(prepared))


@pytest.fixture(scope="module")
def truth(query):
    """As the session's cells were drawn: every third an eosinophil."""
    number = [int(file.split(".")[0]) for file in query.first_file]
    return np.array(["lymphocyte" if n % 3 else "eosinophil" for n in number])


@pytest.fixture(scope="module")
def found(prepared, named, truth):
    return evaluate(prepared, named, truth, QUICK, workers=1)


def rows(found):
    return {row.key: row for row in found.rows}


def test_neighbours_over_all_voters_go_by_their_number_then_by_their_best_rank():
    of_two = np.array([[7, 8, 9, 1, 2, 2, 1, 9, 8, 6], [3, 4, -1, -1, -1, 4, -1, -1, -1, -1]])
    joined = voter_store._common_neighbours(of_two)
    assert joined.tolist() == [[2, 1, 8, 9, 7], [4, 3, -1, -1, -1]]


def test_every_method_has_its_rows(found):
    knn = {"knn:colour+shape", "knn:colour", "ensemble"}
    expected = {(m, ot, f) for m in knn for ot in QUICK.ot for f in QUICK.filtering}
    yardsticks = {"majority", "ceiling:colour+shape", "ceiling:colour"}
    assert set(rows(found)) == expected | {(m, "none", "false") for m in yardsticks}
    assert rows(found)["majority", "none", "false"].accuracy == pytest.approx(100 * 20 / 30)
    assert rows(found)["majority", "none", "false"].balanced_accuracy == 50
    assert rows(found)["ceiling:colour", "none", "false"].accuracy > 80


def test_figures_are_those_of_the_predictions(found, truth):
    for row in found.rows:
        right = found.predictions[row.key].predicted == truth
        assert row.accuracy == pytest.approx(100 * right.mean())
        assert row.accuracy_interval[0] <= row.accuracy <= row.accuracy_interval[1]
        assert len(row.of_part) == 5


def test_fgw_is_what_run_predicts(found, prepared, reference, query, tmp_path):
    result = run(reference, query, CONFIG, cache=Cache(tmp_path), workers=1)
    assert result.voters[-1].alignment == DISCRIMINANT  # it votes in both
    ensemble = found.predictions["ensemble", "fgw", "true"]
    np.testing.assert_allclose(ensemble.agreement, result.vote.agreement, atol=1e-6)
    np.testing.assert_allclose(ensemble.confidence, result.vote.confidence, atol=1e-6)
    np.testing.assert_array_equal(
        found.predictions["ensemble", "fgw", "true"].predicted, np.array(result.predicted)
    )
    clusters = found.named["true"].clusters
    answers = majority_confirmations(clusters, found.truth, prepared.types)
    confirmed = run(
        reference, query, CONFIG, confirmations=answers, cache=Cache(tmp_path), workers=1
    )
    np.testing.assert_array_equal(
        found.predictions["ensemble", "fgw", "reader"].predicted, np.array(confirmed.predicted)
    )


def test_labels_do_not_leak(prepared, named, truth):
    """Shuffled labels leave every prediction as it is, and make accuracy chance."""
    protocol = replace(QUICK, filtering=("false", "true"), identification_subsets=0)
    # Of these drawn clusters the paper's scores name both rightly, so that accuracy can fall.
    by_scores = replace(prepared, config=replace(CONFIG, naming="scores"))
    named = identify(by_scores, named.clusters)
    found = evaluate(by_scores, named, truth, protocol, workers=1)
    accuracies = []
    for seed in range(5):
        shuffled = np.random.default_rng(seed).permutation(truth)
        again = evaluate(by_scores, named, shuffled, protocol, workers=1)
        for key, prediction in again.predictions.items():
            if not key[0].startswith(("majority", "ceiling")):
                np.testing.assert_array_equal(
                    prediction.predicted, found.predictions[key].predicted
                )
        accuracies.append(rows(again)["ensemble", "fgw", "true"].balanced_accuracy)
    assert rows(found)["ensemble", "fgw", "true"].balanced_accuracy > 75
    assert abs(np.mean(accuracies) - 50) < 15


def test_the_reader_names_every_cluster_right(found, truth):
    named = found.named["reader"]
    majority = majority_types(named.clusters.labels, truth)
    assert tuple(match.matched_type for match in named.matches) == majority
    assert all(match.confirmed for match in named.matches)
    assert not any(match.confirmed for match in found.named["true"].matches)


def test_a_reader_confirms_as_none_what_the_reference_lacks(named, truth):
    confirmations = majority_confirmations(named.clusters, truth, ("lymphocyte",))
    assert {one.type_name for one in confirmations} == {"lymphocyte", "none"}


def test_gains_are_differences_and_their_p_values_are_corrected(found):
    for gain in found.gains:
        after, before = (
            rows(found)[gain.method, ot, gain.filtering] for ot in (gain.ot, gain.base)
        )
        assert gain.accuracy == pytest.approx(after.accuracy - before.accuracy)
        assert 0 <= gain.p <= 1
    assert {(g.ot, g.base) for g in found.gains} == {
        ("centre", "none"),
        ("fgw", "none"),
        ("fgw", "centre"),
    }


def test_going_on_gives_the_same_and_computes_nothing(
    prepared, named, truth, tmp_path, monkeypatch
):
    first = evaluate(prepared, named, truth, QUICK, store=tmp_path / "kept", workers=1)
    kept = sorted((tmp_path / "kept").iterdir())
    assert len(kept) > 3
    kept[0].write_bytes(kept[0].read_bytes()[:100])  # truncated by a full disk
    kept[1].write_bytes(b"")
    data = bytearray(kept[2].read_bytes())
    data[len(data) // 2] ^= 1
    kept[2].write_bytes(data)
    kept[3].write_bytes(data.replace(b"npy", b"np\xff"))
    second = evaluate(prepared, named, truth, QUICK, store=tmp_path / "kept", workers=1)
    monkeypatch.setattr("celltransfer_core.evaluation.voter_store.align", None)
    monkeypatch.setattr("celltransfer_core.evaluation.voter_store.classify", None)
    third = evaluate(prepared, named, truth, QUICK, store=tmp_path / "kept", workers=1)
    for again in (second, third):
        pd.testing.assert_frame_equal(results_table(first), results_table(again))
        assert results_markdown(first) == results_markdown(again)


def test_every_alignment_and_method(prepared, named, truth):
    pytest.importorskip("torch", reason="needs the extra encoders")
    protocol = Protocol(
        filtering=("true",), subsets=2, identification_subsets=0, low_label=(2,), repeats=1
    )
    everything = evaluate(prepared, named, truth, protocol, workers=1)
    table = results_table(everything)
    assert list(table.columns[:6]) == [
        "method",
        "ot",
        "filtering",
        "accuracy",
        "f1",
        "balanced_accuracy",
    ]
    assert set(table["ot"]) == set(OT)
    assert {method.split(":")[0] for method in table["method"]} == set(METHODS)
    assert set(table[table["method"].str.contains("nmtune")]["ot"]) == {"none"}
    assert table["accuracy"].between(0, 100).all()
    few = {(point.cells, point.ot) for point in everything.low_label}
    assert few == {(c, ot) for c in (0, 2) for ot in ("none", "centre", "fgw-paper", "fgw")}
    whole = rows(everything)["ensemble", "fgw", "true"]
    assert whole.accuracy in {p.accuracy for p in everything.low_label if p.cells == 0}
    markdown, page = results_markdown(everything), results_html(everything)
    assert "### fgw against none" in markdown
    assert "| ensemble |" in markdown
    assert "figure-1" in page
    body = page.split("</script>", 1)[1]
    assert body.count("src=") == body.count("data:image/jpeg;base64,") > 10


def test_a_linear_row_is_a_linear_probe(prepared, named, truth):
    protocol = Protocol(
        ot=("none",),
        methods=("linear",),
        filtering=("false",),
        subsets=2,
        identification_subsets=0,
        low_label=(),
    )
    found = evaluate(prepared, named, truth, protocol, workers=1)
    assert {row.method for row in found.rows} == {"linear:colour+shape", "linear:colour"}
    X = prepared.embeddings["reference"]["colour"]
    probe = LinearProbe(random_state=CONFIG.seed).fit(X, prepared.reference.cell_labels)
    np.testing.assert_array_equal(
        found.predictions["linear:colour", "none", "false"].predicted,
        probe.predict(prepared.embeddings["query"]["colour"]),
    )


def test_a_large_query_is_cut_into_parts_of_its_own(prepared, named, truth):
    cut = replace(prepared, config=replace(CONFIG, subset_size=12))
    found = evaluate(cut, named, truth, replace(QUICK, subsets=2), workers=1)
    assert found.own_parts
    assert len(found.scored) == 24
    prediction = found.predictions["ensemble", "fgw", "true"]
    assert (prediction.predicted == "").sum() == 6
    row = rows(found)["ensemble", "fgw", "true"]
    assert row.accuracy == pytest.approx(np.mean(row.of_part))
    assert any("are in no subset" in note for note in found.notes)


def test_shared_types_after_the_t_sne_vote(reference, query, named, truth, tmp_path):
    extras = prepare(
        reference, query, CONFIG, extras={"other": query}, cache=Cache(tmp_path), workers=1
    )
    protocol = replace(QUICK, ot=("none",), methods=("majority",), filtering=("false",))
    found = evaluate(extras, named, truth, protocol, workers=1)
    ways = [(one.clusters, one.graph, one.correction) for one in found.identification]
    assert len(ways) == len(set(ways)) == 12
    for one in found.identification:
        assert 0 <= one.found.accuracy <= 100
        assert one.n_clusters >= 1


def test_types_that_do_not_fit(prepared, named, truth):
    with pytest.raises(DataError, match="give both sets the same names"):
        evaluate(prepared, named, np.char.add("my ", truth), QUICK, workers=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ot": ("emd",)}, "--ot cannot be 'emd'"),
        ({"methods": ("svm",)}, "--methods cannot be 'svm'"),
        ({"filtering": ()}, "--filtering is empty"),
        ({"subsets": 1}, "--subsets"),
        ({"identification_subsets": -1}, "--identification-subsets"),
        ({"low_label": (0,)}, "--low-label"),
    ],
)
def test_options_out_of_range(change, message):
    with pytest.raises(DataError, match=message):
        Protocol(**change)


def test_the_papers_concatenations_of_members_at_hand():
    voters = (("colour",), ("convnext",), ("swin",), ("clip",))
    assert with_concatenations(voters) == (
        *voters,
        ("convnext", "swin"),
        ("convnext", "swin", "clip"),
    )
    assert with_concatenations((("colour",), ("colour", "shape"))) == (
        ("colour",),
        ("colour", "shape"),
    )


def test_recipes():
    assert recipe("fgw", CONFIG) == CONFIG
    paper = recipe("fgw-paper", CONFIG)
    assert (paper.features, paper.weights, paper.vote_weights) == ("raw", "uniform", "prior")
    assert recipe("none", CONFIG).features == "raw"
    assert recipe("centre", replace(CONFIG, features="raw")).features == "centred"


def test_files(found, tmp_path):
    written = {path.name for path in write_evaluation(found, tmp_path)}
    assert {"results.csv", "results.md", "results.html", "manifest.json"} <= written
    again = tmp_path / "again"
    write_evaluation(found, again)
    for name in written:
        assert (tmp_path / name).read_bytes() == (again / name).read_bytes()
    table = ensemble_predictions_table(found)
    assert list(table.columns[:2]) == ["file", "true_type"]


def test_the_papers_figures_stand_beside_ours(found):
    one = Printed(9, "A", "B", "ensemble", "fgw", "true", "accuracy", 12.34, np.nan, "12.34")
    text = results_markdown(found, [one])
    ours = rows(found)["ensemble", "fgw", "true"]
    assert f"| ensemble | fgw | 12.34 | {ours.accuracy:.2f} | – | {ours.f1:.2f} |" in text
    assert "Beside the paper" not in results_markdown(found, [replace(one, method="knn:sam")])


def labelled_query(drawn, folder):
    for file in sorted((drawn / "query").iterdir()):
        into = folder / ("lymphocyte" if int(file.stem) % 3 else "eosinophil")
        into.mkdir(parents=True, exist_ok=True)
        (into / file.name).write_bytes(file.read_bytes())
    return folder


def command(drawn, query, out, *more):
    return main(
        [
            "evaluate",
            "--reference",
            str(drawn / "reference"),
            "--query",
            str(query),
            "--out",
            str(out),
            *("--encoders", "colour+shape,colour", "--workers", "1", "--subsets", "2"),
            *more,
        ]
    )


def test_the_command(drawn, tmp_path, capsys):
    query = labelled_query(drawn, tmp_path / "query")
    more = ("--ot", "none,fgw", "--methods", "knn,ensemble,majority", "--low-label", "none")
    assert command(drawn, query, tmp_path / "out", *more, "--per-class", "10") == 0
    table = pd.read_csv(tmp_path / "out" / "results.csv", dtype={"filtering": str})
    assert set(table["filtering"]) == {"false", "true", "reader"}
    assert "ensemble" in capsys.readouterr().out
    before = (tmp_path / "out" / "results.csv").read_bytes()
    assert command(drawn, query, tmp_path / "out", *more, "--per-class", "10", "--quiet") == 0
    assert (tmp_path / "out" / "results.csv").read_bytes() == before


def test_the_command_says_what_to_mend(drawn, tmp_path, capsys):
    query = labelled_query(drawn, tmp_path / "query")
    assert command(drawn, query, tmp_path / "out", "--ot", "emd") == 2
    assert "--ot cannot be 'emd'" in capsys.readouterr().err
    assert command(drawn, drawn / "query", tmp_path / "out") == 2
    assert "labels.csv" in capsys.readouterr().err
    assert command(drawn, query, tmp_path / "out", "--per-class", "0") == 2

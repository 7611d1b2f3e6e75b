import pytest

from parts import text
from tests.encoders.test_encoders import model


def text_of(app):
    kinds = ("title", "markdown", "caption", "info", "warning", "error", "success")
    return " ".join(element.value for kind in kinds for element in app.get(kind))


def pills(app, label):
    return next(one for one in app.button_group if one.label.startswith(label))


def button(app, label):
    return next(one for one in app.button if one.label == label)


def test_everything_that_is_known_of_encoders_is_shown(open_page, finished):
    _, study = finished
    app = open_page("embeddings", study.id)
    assert not app.exception
    table = app.table[0].value
    assert list(table.index) == ["cell", "cervix", "colour", "texture", "shape"]
    seen = table["Training data"]
    assert set(seen[2:]) == {r"none \(descriptors; scales from PBC\)"}
    assert "PBC" in seen["cell"]
    assert "SIPaKMeD" in seen["cervix"]
    assert set(table["Licence"][2:]) == {r"BSD\-3\-Clause"}
    assert "CC BY 4" in table["Licence"]["cell"]
    assert "research" in table["Licence"]["cervix"]
    assert sorted(pills(app, "Joined").value) == ["colour", "shape"]
    assert pills(app, "Single").value == ["shape"]


def test_an_encoder_that_cannot_be_read_is_said(open_page, finished, home):
    (home / "encoders").mkdir()
    (home / "encoders" / "broken.onnx").write_bytes(b"no model")
    _, study = finished
    app = open_page("embeddings", study.id)
    assert not app.exception
    assert any(one.value.startswith("broken") for one in app.warning)
    assert "broken" not in pills(app, "Single").options


def test_how_it_went_is_told(open_page, finished):
    _, study = finished
    app = open_page("embeddings", study.id)
    said = text_of(app).replace("\\", "")
    assert "42 reference cells and 30 query cells are embedded" in said
    assert "nuclei found in reference" in said
    assert "Tried on 42 reference cells of 3 types: in the field of the nucleus, the other " in said
    assert "; in" not in said


def test_the_parts_of_a_reason_become_sentences():
    told = text.as_sentences("whole images (1 of 9 found; 80% needed); brighter; in *a*, 9%")
    assert told.replace("\\", "") == (
        "Whole images (1 of 9 found; 80% needed). Brighter. In *a*, 9%."
    )
    assert r"\*a\*" in told


def test_the_map_takes_its_colours_from_types_sets_and_clusters(open_page, finished):
    _, study = finished
    app = open_page("embeddings", study.id)
    titles = []
    for way in ("Type", "Set", "Cluster"):
        pills(app, "Colour by").set_value(way).run()
        assert not app.exception
        titles.append(app.get("plotly_chart")[0].proto.alt)
    assert len(set(titles)) == 3


def test_other_voters_are_kept_and_used(open_page, finished, monkeypatch):
    space, study = finished
    started = []
    monkeypatch.setattr(
        "parts.work.start", lambda _, study, target: started.append((study, target))
    )
    app = open_page("embeddings", study.id)
    pills(app, "Joined").set_value(["shape", "colour"])
    pills(app, "Single").set_value(["texture"])
    button(app, "Use these").click().run()
    assert not app.exception
    assert space.study(study.id).options["encoders"] == [["shape", "colour"], ["texture"]]
    assert space.study(study.id).options["draws"] == 1
    assert space.study(study.id).options["network"] == "named"  # what was chosen votes
    assert started == [(study.id, "embed")]


def test_whether_the_network_may_fit_the_cells_is_kept(open_page, finished):
    space, study = finished
    app = open_page("embeddings", study.id)
    app.radio("network auto").set_value("named").run()
    assert not app.exception
    assert space.study(study.id).options["network"] == "named"


def test_one_encoder_joined_with_nothing_is_a_single_one(open_page, finished, monkeypatch):
    space, study = finished
    monkeypatch.setattr("parts.work.start", lambda *_: None)
    app = open_page("embeddings", study.id)
    pills(app, "Joined").set_value(["colour"])
    pills(app, "Single").set_value(["shape"])
    button(app, "Use these").click().run()
    assert space.study(study.id).options["encoders"] == [["shape"], ["colour"]]


def test_no_encoder_at_all_is_refused(open_page, finished):
    space, study = finished
    app = open_page("embeddings", study.id)
    pills(app, "Joined").set_value([])
    pills(app, "Single").set_value([])
    button(app, "Use these").click().run()
    assert app.error[0].value == "Choose at least one encoder."
    assert space.study(study.id).options == study.options


def test_without_images_it_says_so(open_page, finished):
    space, _ = finished
    app = open_page("embeddings", space.create("Empty").id)
    assert not app.exception
    assert "Add images first" in text_of(app)


def test_a_signed_study_keeps_its_voters(open_page, finished):
    space, study = finished
    space.sign(study.id, "Ann")
    app = open_page("embeddings", study.id)
    assert not app.exception
    assert button(app, "Use these").disabled


def test_another_layout_is_drawn_in_the_background(open_page, finished, monkeypatch):
    pytest.importorskip("umap", reason="needs UMAP")
    space, study = finished
    started = []
    monkeypatch.setattr(
        "parts.work.start", lambda _, study, target: started.append((study, target))
    )
    app = open_page("embeddings", study.id)
    (layout,) = [one for one in app.button_group if one.label == "Layout"]
    layout.set_value("UMAP").run()
    assert not app.exception
    assert space.study(study.id).options["layout"] == "UMAP"
    assert started == [(study.id, "embed")]


def test_published_encoders_are_offered_with_their_licences(open_page, finished):
    _, study = finished
    app = open_page("embeddings", study.id)
    table = next(one.value for one in app.dataframe if "Size" in one.value)
    assert table.loc["vitmae", "Licence"] == "CC-BY-NC-4.0"
    assert "PBC" in table.loc["dinobloom", "Training data"]
    assert "dinov2" not in pills(app, "Single").options


def test_an_encoder_is_taken_in_by_drop(open_page, finished, tmp_path, home):
    path = model(tmp_path, name="dropped")
    _, study = finished
    app = open_page("embeddings", study.id)
    uploader = app.get("file_uploader")[0]
    uploader.set_value(
        [
            ("mine.onnx", path.read_bytes(), "application/octet-stream"),
            ("mine.json", path.with_suffix(".json").read_bytes(), "application/json"),
        ]
    ).run()
    button(app, "Add this encoder").click().run()
    assert not app.exception
    assert (home / "encoders" / "mine.onnx").is_file()
    assert "mine" in pills(app, "Single").options


def test_half_an_encoder_is_told(open_page, finished, tmp_path):
    path = model(tmp_path, name="dropped")
    _, study = finished
    app = open_page("embeddings", study.id)
    uploader = app.get("file_uploader")[0]
    uploader.set_value([("mine.onnx", path.read_bytes(), "application/octet-stream")]).run()
    button(app, "Add this encoder").click().run()
    assert "Drop two files together" in text_of(app)

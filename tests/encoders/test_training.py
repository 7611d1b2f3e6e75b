"""Training an encoder: short runs on drawn cells."""

import json
import shutil

import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

import numpy as np
from PIL import Image

from celltransfer_core.cli.main import main
from celltransfer_core.data import read_dataset
from celltransfer_core.encoders import OnnxEncoder, encode
from celltransfer_core.encoders.training import (
    HELD_BACK,
    VIEWS,
    CellNetwork,
    Committee,
    HalfInstanceNorm,
    cells as cells_module,
    check_on_held_back,
    contrastive_loss,
    distillation_loss,
    embed_images,
    fit as fit_module,
    held_back_view,
    pack,
    plain_view,
    recipe_from,
    relation_loss,
    train,
    trainer as trainer_module,
    write_encoder,
)
from celltransfer_core.encoders.training.microscopes import (
    _cut_off,
    _Draw,
    background,
    random_microscopes,
)
from celltransfer_core.errors import EncoderError, OutputError
from celltransfer_core.framing import cut, find_nucleus
from celltransfer_core.runtime import Cache

SIDE = 96


@pytest.fixture(scope="module")
def cells(reference, tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed")
    return pack(reference, Cache(folder / "cache"), folder, workers=1)


@pytest.fixture(scope="module")
def stored(cells):
    return torch.from_numpy(np.array(cells.crops[:6]))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_every_cell_gets_a_microscope_of_its_own(stored):
    same = stored[:1].repeat(8, 1, 1, 1)
    shown = random_microscopes(same, SIDE, generator())
    assert shown.shape == (8, 3, SIDE, SIDE)
    assert shown.dtype == torch.float32
    assert 0 <= float(shown.min()) <= float(shown.max()) <= 1
    away = torch.cdist(shown.flatten(1), shown.flatten(1))
    assert float(away[~torch.eye(8, dtype=torch.bool)].min()) > 3


def test_the_same_seed_shows_the_same(stored):
    shown = [random_microscopes(stored, SIDE, generator(seed)) for seed in (1, 1, 2)]
    assert torch.equal(shown[0], shown[1])
    assert not torch.equal(shown[0], shown[2])


def test_some_cells_end_at_the_edge_of_a_picture(stored):
    same = stored[:1].repeat(300, 1, 1, 1).permute(0, 3, 1, 2).float() / 255
    shown = _cut_off(same, _Draw(generator(), 300))
    changed = (shown != same).any(dim=1)
    share = float(changed.any(dim=(1, 2)).float().mean())
    assert 0.1 < share < 0.3
    light = background(same[:1])
    assert float((shown.permute(0, 2, 3, 1)[changed] - light).abs().max()) == 0
    assert not changed[:, 60:84, 60:84].any()  # what is in the middle stays


def test_an_empty_slide_shows_no_cell():
    empty = torch.full((40, 144, 144, 3), 255, dtype=torch.uint8)
    shown = random_microscopes(empty, SIDE, generator())
    # Cast, shade and noise there are, but nothing with an inside darker than all around it, other
    # than what covers a part of some.
    middle = shown[:, :, 40:56, 40:56].mean((1, 2, 3))
    around = shown[:, :, 8:88, 8:88].mean((1, 2, 3))
    assert float((middle - around).abs().median()) < 0.02


def test_held_back_microscopes_differ_from_the_plain_view_and_each_other(cells):
    plain = plain_view(cells.crops[0], SIDE)
    shown = [held_back_view(cells.crops[0], name, SIDE) for name in HELD_BACK]
    assert all(view.shape == plain.shape == (SIDE, SIDE, 3) for view in shown)
    views = np.stack([plain, *shown]).astype(float)
    apart = np.abs(views[:, None] - views[None]).mean(axis=(2, 3, 4))
    assert apart[~np.eye(len(views), dtype=bool)].min() > 3


def test_a_packed_cell_has_room_around_what_encoders_see(cells, reference):
    assert cells.framed
    assert cells.crops.shape == (len(reference), 144, 144, 3)
    image = reference.read(3)
    seen = Image.fromarray(cut(image, find_nucleus(image))).resize((60, 60))
    inner = plain_view(cells.crops[3], 60).astype(float)
    assert np.abs(inner - np.asarray(seen, dtype=float)).mean() < 8


def test_whole_images_where_no_nuclei_are_found(tmp_path, rng):
    for name in ("a", "b"):
        (tmp_path / "live" / name).mkdir(parents=True)
        for number in range(10):
            grey = rng.integers(100, 140, (30, 40, 1), dtype=np.uint8).repeat(3, axis=2)
            Image.fromarray(grey).save(tmp_path / "live" / name / f"{number}.png")
    dataset = read_dataset(tmp_path / "live", labelled=True, workers=1)
    packed = pack(dataset, Cache(tmp_path / "c"), tmp_path / "kept", workers=1)
    assert not packed.framed
    shown = plain_view(packed.crops[0], 40).astype(float)
    whole = Image.fromarray(dataset.read(0)).resize((40, 40))
    assert np.abs(shown - np.asarray(whole, dtype=float)).mean() < 6


def test_packing_again_reads_what_is_there(reference, tmp_path, monkeypatch):
    first = pack(reference, Cache(tmp_path / "c"), tmp_path / "k", workers=1)
    monkeypatch.setattr(cells_module, "_cut_batch", lambda _: pytest.fail("cut again"))
    again = pack(reference, Cache(tmp_path / "c"), tmp_path / "k", workers=1)
    np.testing.assert_array_equal(first.crops, again.crops)


def test_crops_of_an_interrupted_packing_are_cut_again(reference, tmp_path, monkeypatch):
    def pack_cells(dataset):
        return pack(dataset, Cache(tmp_path / "c"), tmp_path / "k", workers=1)

    whole = np.array(pack_cells(reference).crops)

    def interrupt(_):
        raise KeyboardInterrupt

    fewer = reference.take_typed(np.arange(len(reference) - 1))
    with monkeypatch.context() as patched:
        patched.setattr(cells_module, "_cut_batch", interrupt)
        with pytest.raises(KeyboardInterrupt):
            pack_cells(fewer)
    np.testing.assert_array_equal(pack_cells(reference).crops, whole)


def test_contrastive_loss_is_that_of_its_formula(rng):
    points = rng.normal(size=(7, 4))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    types = np.array([0, 0, 1, 1, 1, 2, 0])
    expected = []
    for i in range(7):
        others = [j for j in range(7) if j != i]
        total = sum(np.exp(points[i] @ points[j] / 0.1) for j in others)
        alike = [j for j in others if types[j] == types[i]]
        logs = [points[i] @ points[j] / 0.1 - np.log(total) for j in alike]
        expected.append(-np.mean(logs) if alike else 0.0)
    found = contrastive_loss(torch.from_numpy(points).float(), torch.from_numpy(types))
    assert float(found) == pytest.approx(np.mean(expected), rel=1e-4)


def test_distillation_is_done_by_who_says_what_the_teachers_say(rng):
    told = [torch.from_numpy(rng.normal(size=(5, 3))).float() for _ in range(2)]
    shares = np.mean([(t / 2).softmax(1).numpy() for t in told], axis=0)
    assert float(distillation_loss(2 * torch.from_numpy(shares).log(), told)) == pytest.approx(
        0, abs=1e-5
    )
    own = rng.normal(size=(5, 3))
    said = np.exp(own / 2) / np.exp(own / 2).sum(axis=1, keepdims=True)
    expected = 4 * np.mean(np.sum(shares * np.log(shares / said), axis=1))
    found = distillation_loss(torch.from_numpy(own).float(), told)
    assert float(found) == pytest.approx(expected, rel=1e-4)


def test_relations_are_learned_by_who_has_the_teachers_neighbours(rng):
    taught = torch.from_numpy(rng.normal(size=(6, 4))).float()
    turned = taught @ torch.linalg.qr(torch.from_numpy(rng.normal(size=(4, 4))).float())[0]
    assert float(relation_loss(3 * turned, [taught, taught])) == pytest.approx(0, abs=1e-5)
    unit = (taught / taught.norm(dim=1, keepdim=True)).double().numpy()
    own = rng.normal(size=(6, 2))
    own /= np.linalg.norm(own, axis=1, keepdims=True)
    expected = []
    for i in range(6):
        others = [j for j in range(6) if j != i]
        truth, said = (np.exp(rows[others] @ rows[i] / 0.1) for rows in (unit, own))
        truth, said = truth / truth.sum(), said / said.sum()
        expected.append(np.sum(truth * np.log(truth / said)))
    found = relation_loss(torch.from_numpy(own).float(), [taught])
    assert float(found) == pytest.approx(np.mean(expected), rel=1e-3)


@pytest.mark.parametrize("view", ["standardised", "grey"])
def test_views_do_not_see_light_and_contrast(stored, view):
    network = CellNetwork(3, view, width=4)
    images = stored.permute(0, 3, 1, 2).float() / 255
    seen = network.look(images)
    darker = network.look(images * 0.8 + 0.1)
    assert float((seen - darker).abs().mean()) < 0.05 < float(seen.abs().mean())
    assert seen.shape[1] == (1 if view == "grey" else 3)


def short(**options):
    return recipe_from(**{"views": ("colour",), "steps": (4,), "batch": 16, "width": 4, **options})


def weights(networks):
    return [tensor for network in networks for tensor in network.state_dict().values()]


def test_half_of_the_maps_forget_what_an_image_alone_looks_like():
    norm = HalfInstanceNorm(5).train()
    maps = torch.randn(4, 5, 8, 8)
    gain, shift = torch.rand(4, 1, 1, 1) + 0.5, torch.randn(4, 1, 1, 1)

    before, after = norm(maps), norm(maps * gain + shift)

    torch.testing.assert_close(before[:, :2], after[:, :2], atol=1e-3, rtol=1e-3)
    assert (before[:, 2:] - after[:, 2:]).abs().mean() > 0.1
    torch.testing.assert_close(before[:, 2:].mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)


@pytest.fixture
def unchecked(monkeypatch):
    """Leave the check on held-back microscopes out: it takes longer than a short training."""
    monkeypatch.setattr(fit_module, "check_on_held_back", lambda *_: ())
    monkeypatch.setattr(fit_module, "describe_check", lambda _: "")


@pytest.fixture
def saved_at_every_step(monkeypatch):
    monkeypatch.setattr(trainer_module, "_SAVE_EVERY", 0)


@pytest.mark.usefixtures("unchecked", "saved_at_every_step")
def test_interrupted_training_goes_on_to_the_same_weights(cells, tmp_path):
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()

    def stop(stage, done, total):
        if stage == "training grey" and done == 2:
            raise KeyboardInterrupt

    recipe = short(views=("colour", "grey"), steps=(5, 4))
    whole = train(cells, recipe, tmp_path / "whole", report=str)
    with pytest.raises(KeyboardInterrupt):
        train(cells, recipe, tmp_path / "broken", progress=stop, report=str)
    seen = []
    again = train(
        cells, recipe, tmp_path / "broken", progress=lambda *told: seen.append(told), report=str
    )
    assert seen == [("training grey", 3, 4), ("training grey", 4, 4)]
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(again), strict=True))
    log = (tmp_path / "broken" / "log.csv").read_text().splitlines()
    assert log[0] == "view,step,loss,seconds_per_step"
    assert [line.split(",")[:2] for line in log[1:]] == [["colour", "5"], ["grey", "4"]]
    with pytest.raises(EncoderError, match="other options or cells"):
        train(cells, short(seed=1), tmp_path / "broken", report=str)


@pytest.mark.usefixtures("unchecked")
def test_teachers_are_trained_first_and_distilled(cells, tmp_path):
    views = ("colour", "grey")
    said, seen = {}, {}
    for name, width in (("alone", 0), ("taught", 8), ("again", 8)):
        (tmp_path / name).mkdir()
        said[name] = []
        recipe = short(views=views, steps=(4,), teacher_width=width, teacher_steps=3)
        seen[name] = train(cells, recipe, tmp_path / name, report=said[name].append)
    assert said["alone"] == ["colour: ", "grey: "]
    assert said["taught"] == ["colour teacher: ", "grey teacher: ", "colour: ", "grey: "]
    assert [network.dim for network in seen["taught"]] == [48, 48]  # not the teachers themselves
    kept = torch.load(tmp_path / "taught" / "teacher-grey.pt", weights_only=True)
    assert kept["done"] == 3
    alone, taught, again = (weights(seen[name]) for name in ("alone", "taught", "again"))
    assert not all(torch.equal(a, b) for a, b in zip(alone, taught, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(taught, again, strict=True))


def test_training_learns_what_an_untrained_network_does_not_know(cells, tmp_path):
    said = []
    networks = train(cells, short(steps=(60,), batch=24, width=8), tmp_path, report=said.append)
    log = [line.split(",") for line in (tmp_path / "log.csv").read_text().splitlines()[1:]]
    assert float(log[-1][2]) < float(log[0][2])
    torch.manual_seed(0)
    untrained = CellNetwork(3, "colour", 8).eval()
    plain, before = (
        np.mean([check.plain for check in check_on_held_back(network, cells, 0)])
        for network in (networks[0], untrained)
    )
    assert plain > before + 5
    assert said[0].startswith("colour: balanced accuracy on held-out microscopes")


def test_what_is_exported_runs_as_any_encoder(cells, tmp_path):
    torch.manual_seed(0)
    networks = [CellNetwork(3, view, 4).eval() for view in VIEWS]
    told = {"name": "n", "source": "s", "licence": "l", "trained_on": "t"}
    checks = check_on_held_back(Committee(networks).eval(), cells, 0)
    spec = write_encoder(networks, tmp_path / "made" / "mine.onnx", told, checks)
    assert b"training.py" not in (tmp_path / "made" / "mine.onnx").read_bytes()
    assert spec.dim == 3 * 48
    encoder = OnnxEncoder("mine", tmp_path / "made" / "mine.onnx")
    images = [plain_view(crop, SIDE) for crop in cells.crops[:11]]
    rows = encode(encoder, images, np.full(11, np.nan, dtype=np.float32))
    np.testing.assert_allclose(rows, embed_images(Committee(networks).eval(), images), atol=1e-5)
    assert [p.name for p in sorted((tmp_path / "made").iterdir())] == ["mine.json", "mine.onnx"]
    kept = json.loads((tmp_path / "made" / "mine.json").read_text())
    assert set(kept["held_back"]) == set(HELD_BACK)


def test_the_command_trains_and_what_it_made_types_cells(drawn, tmp_path, capsys):
    out = tmp_path / "made" / "tiny.onnx"
    words = ["encoders", "train", "--data", str(drawn / "reference"), "--out", str(out)]
    words += ["--steps", "3", "--width", "4", "--views", "grey", "--workers", "1"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "data: 42 cells" in said
    assert "encoders add tiny" in said
    first = out.read_bytes(), out.with_suffix(".json").read_bytes()
    shutil.rmtree(out.parent)
    assert main([*words, "--quiet"]) == 0
    assert (out.read_bytes(), out.with_suffix(".json").read_bytes()) == first
    assert main(["encoders", "add", "tiny", str(out)]) == 0
    run = ["run", "--reference", str(drawn / "reference"), "--query", str(drawn / "query")]
    run += ["--out", str(tmp_path / "o"), "--encoders", "tiny", "--draws", "1", "--workers", "1"]
    assert main(run) == 0
    assert (tmp_path / "o" / "predictions.csv").is_file()
    assert main([*words, "--steps", "5"]) == 2
    assert "other options or cells" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--views", "colour,pink"], "--views takes some of colour, standardised, grey"),
        (["--views", "grey,grey"], "each once"),
        (["--steps", "1"], "--teacher-steps and --batch must be at least 2"),
        (["--steps", "9,9,9"], "one for each of --views colour,standardised"),
        (["--width", "0"], "--width at least 4"),
        (["--batch", "1"], "--batch must be at least 2"),
        (["--teacher-width", "8"], "at least --width (24)"),
        (["--out", "made.bin"], "must be the encoder's file, NAME.onnx"),
        (["--data", "nowhere"], "nowhere"),
    ],
)
def test_wrong_options_are_told(drawn, tmp_path, capsys, monkeypatch, more, message):
    monkeypatch.chdir(tmp_path)
    words = ["encoders", "train", "--out", str(tmp_path / "x.onnx")]
    if "--data" not in more:
        words += ["--data", str(drawn / "reference")]
    assert main([*words, *more]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("types", "message"),
    [({"neutrophil": 14}, "only one type"), ({"neutrophil": 14, "eosinophil": 3}, "eosinophil 3")],
)
def test_too_few_cells_are_told(drawn, tmp_path, capsys, types, message):
    for name, count in types.items():
        (tmp_path / "d" / name).mkdir(parents=True)
        for number in range(count):
            shutil.copy(drawn / "reference" / name / f"{number}.png", tmp_path / "d" / name)
    words = ["--data", str(tmp_path / "d"), "--out", str(tmp_path / "x.onnx"), "--quiet"]
    assert main(["encoders", "train", *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.usefixtures("saved_at_every_step")
def test_a_full_disk_is_reported_and_what_was_kept_stays(cells, tmp_path, monkeypatch):
    really, calls = torch.save, []

    def full(state, path):
        calls.append(path)
        if len(calls) > 2:
            raise RuntimeError("PytorchStreamWriter failed writing file")
        really(state, path)

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OutputError, match="free some space and run the same command again"):
        train(cells, short(), tmp_path, report=str)
    kept = torch.load(tmp_path / "0-colour.pt", weights_only=True)
    assert kept["done"] == 2
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]

"""Training on several laboratories: what their names say, what is drawn, held back and swapped."""

import json
from contextlib import nullcontext
from itertools import islice
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

import numpy as np
from PIL import Image

from celltransfer_core.cli.main import main
from celltransfer_core.data import read_dataset
from celltransfer_core.demo import QUERY_STYLE, draw_cell
from celltransfer_core.encoders import OnnxEncoder, encode
from celltransfer_core.encoders.training import (
    Batches,
    CellNetwork,
    Committee,
    balanced_batches,
    begin_with,
    fit as fit_module,
    groups_of,
    joined,
    kinds_loss,
    kinds_of,
    leaf_kinds,
    measure_stains,
    pack,
    recipe_from,
    split_cells,
    swap_stains,
    telling_groups,
    train,
    train_last,
    write_encoder,
)
from celltransfer_core.encoders.training.microscopes import _Draw, _surround
from celltransfer_core.errors import DataError, EncoderError
from celltransfer_core.runtime import Cache

TYPES = ("lymphocyte", "neutrophil", "eosinophil")  # of the drawn reference


def named(files, types, laboratories=None, slide=None):
    return SimpleNamespace(
        first_file=files,
        cell_labels=np.array(types),
        cell_sources=np.zeros(len(files), int) if laboratories is None else laboratories,
        cells=[f"{number:03}" for number in range(len(files))],
        sha256=[f"{number:03}" for number in range(len(files))],
        slide=slide,
    )


def test_kinds_are_what_names_begin_with():
    files = ["n/BNE_1.png"] * 120 + ["n/SNE_2.png"] * 130 + ["n/MY_3.png"] * 5
    files += ["e/EO_1.png"] * 150 + ["l/95-8-13_1.png"] * 110 + ["l/95-8-14_1.png"] * 110
    types = ["n"] * 255 + ["e"] * 150 + ["l"] * 220
    kinds = kinds_of(named(files, types))
    assert set(kinds[:120]) == {"n/BNE"}
    assert set(kinds[120:250]) == {"n/SNE"}
    assert set(kinds[250:255]) == {"n"}  # too few: of which finer kind is not known
    assert set(kinds[255:405]) == {"e"}  # one prefix alone tells nothing apart
    assert set(kinds[405:]) == {"l"}  # dates are no kinds


def test_prefixes_are_counted_laboratory_by_laboratory():
    files = ["BNE_1.png"] * 120 + ["SNE_1.png"] * 120 + ["IMG_1.png"] * 120
    kinds = kinds_of(named(files, ["n"] * 360, np.repeat([0, 0, 1], 120)))
    assert [*kinds[::120]] == ["n/BNE", "n/SNE", "n"]


def test_groups_are_days_fields_and_slides():
    files = ["95-8-13-4_17_1.jpg", "95-8-13-1_2.jpg", "20190526_162951_0.jpg", "001_02.jpg"]
    files += ["BNE_1234.jpg", "17.jpg"]
    expected = ["95-8-13", "95-8-13", "20190526", "001", "", ""]
    assert groups_of(named(files, ["n"] * 6)).tolist() == expected
    slides = ["", "a", "", "", "b", ""]
    expected = ["95-8-13", "a", "20190526", "001", "b", ""]
    assert groups_of(named(files, ["n"] * 6, slide=slides)).tolist() == expected


def test_what_a_laboratory_does_not_tell_apart_is_not_held_against_its_cells():
    kinds = np.array(["n/BNE", "n/SNE", "n", "l", "n", "n/seg", "l"])
    types = np.array(["n", "n", "n", "l", "n", "n", "l"])
    leaves, possible = leaf_kinds(kinds, types, np.array([0, 0, 0, 0, 1, 2, 1]))
    assert leaves.tolist() == ["l", "n/BNE", "n/SNE", "n/seg"]
    expected = [
        [0, 1, 0, 1],  # a band of the first, who knows no "seg"
        [0, 0, 1, 1],
        [0, 1, 1, 1],  # not known any finer
        [1, 0, 0, 0],
        [0, 1, 1, 1],  # of the second, who tells neutrophils alone
        [0, 1, 1, 1],  # of the third, who knows neither bands nor "SNE"
        [1, 0, 0, 0],
    ]
    assert possible.astype(int).tolist() == expected


def test_loss_of_kinds_is_that_of_their_sum(rng):
    scores = torch.from_numpy(rng.normal(size=(6, 4))).float()
    one = torch.from_numpy(rng.integers(0, 4, 6))
    possible = torch.nn.functional.one_hot(one, 4).bool()
    smooth = torch.nn.functional.cross_entropy(scores, one, label_smoothing=0.1)
    assert float(kinds_loss(scores, possible, 0.1)) == pytest.approx(float(smooth), rel=1e-5)
    possible[:, 2] = True
    shares = scores.softmax(1)
    expected = -(shares * possible).sum(1).log().mean()
    assert float(kinds_loss(scores, possible, 0)) == pytest.approx(float(expected), rel=1e-5)
    assert float(kinds_loss(scores, torch.ones(6, 4, dtype=torch.bool), 0)) == pytest.approx(
        0, abs=1e-5
    )


def test_parting_holds_cells_of_every_type_back():
    types = np.array(["a"] * 400 + ["b"] * 20)
    kept, held_back = split_cells(types, 0)
    assert np.array_equal(np.sort(np.concatenate([kept, held_back])), np.arange(420))
    counts = {name: int((types[held_back] == name).sum()) for name in "ab"}
    assert counts == {"a": 60, "b": 5}
    assert np.array_equal(split_cells(types, 0)[1], held_back)
    assert not np.array_equal(split_cells(types, 1)[1], held_back)


def test_whole_days_are_held_back_and_each_laboratory_by_itself(rng):
    types = np.array(["a"] * 300 + ["b"] * 100 + ["c"] * 100 + ["a"] * 50)
    laboratories = np.array([0] * 500 + [1] * 50)
    groups = np.array([f"day {n}" for n in rng.integers(0, 20, 400)] + ["one"] * 100 + [""] * 50)
    kept, held_back = split_cells(types, 0, groups=groups, laboratories=laboratories)
    days = [{*groups[cells[cells < 400]]} for cells in (kept, held_back)]
    assert not days[0] & days[1]
    for name, least, most in (("a", 45, 100), ("b", 15, 33)):
        assert least <= (types[held_back[held_back < 500]] == name).sum() <= most
    assert (types[held_back] == "c").sum() == 15  # one day alone: some of its cells
    alone = split_cells(types[500:], 0)[1] + 500
    assert np.array_equal(held_back[held_back >= 500], alone)


def test_days_of_one_type_tell_it():
    types = np.array(["a"] * 12 + ["b"] * 12 + ["a"] * 3 + ["a", "b"] * 6)
    groups = np.array(["1"] * 12 + [""] * 12 + ["2"] * 3 + ["3"] * 12)
    assert np.flatnonzero(telling_groups(types, groups, np.zeros(39, int))).tolist() == [*range(12)]
    other = np.zeros(39, int)
    other[:3] = 1  # the day of another laboratory is another day, of three cells
    assert np.flatnonzero(telling_groups(types, groups, other)).tolist() == []


def test_telling_surroundings_are_always_those_of_another_cell():
    images = torch.rand(40, 1, 1, 1).expand(40, 3, 96, 96)
    telling = torch.arange(40) < 20
    shown = _surround(images, _Draw(torch.Generator().manual_seed(0), 40), telling)
    corners = (shown != images)[:, :, 0, 0].any(1)
    assert corners[:20].float().mean() > 0.9  # but for those that drew themselves or background
    assert corners[20:].float().mean() < 0.6
    assert torch.equal(shown[:, :, 40:56, 40:56], images[:, :, 40:56, 40:56])


def test_batches_are_balanced_by_type_then_laboratory_then_kind(rng):
    types = np.array([0] * 1030 + [1] * 50)
    laboratories = np.array([0] * 1010 + [1] * 20 + [0] * 50)
    kinds = np.array([0] * 1000 + [1] * 10 + [2] * 20 + [3] * 50)
    drawn = islice(balanced_batches((types, laboratories, kinds), 64, rng), 90)
    drawn = np.concatenate([*drawn])
    shares = np.bincount(kinds[drawn]) / len(drawn)
    np.testing.assert_allclose(shares, [0.125, 0.125, 0.25, 0.5], atol=0.03)


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    """A second laboratory, which calls one type otherwise."""
    rng = np.random.default_rng(3)
    folder = tmp_path_factory.mktemp("laboratories") / "second"
    for name in TYPES[:2]:
        into = folder / name.replace("neutrophil", "granulocyte")
        into.mkdir(parents=True)
        for number in range(12):
            image = Image.fromarray(draw_cell(name, rng, QUERY_STYLE))
            image.save(into / f"{number % 3 + 1}-8-13_{number}.png")
    return folder


RENAMED = {"Granulocyte": "neutrophil"}


@pytest.fixture(scope="module")
def cells(reference, second, tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed")
    both = joined([reference, read_dataset(second, labelled=True)], ["first", "second"], RENAMED)
    return pack(both, Cache(folder / "cache"), folder, workers=1)


def test_laboratories_are_joined_by_the_names_of_types(cells, reference, second):
    assert len(cells) == 42 + 24
    assert {*cells.types} == {*TYPES}
    assert np.bincount(cells.laboratories).tolist() == [42, 24]
    assert {*cells.groups[cells.laboratories == 1]} == {"1-8-13", "2-8-13", "3-8-13"}
    assert joined([reference], ["first"], {}) is reference
    fewer = joined([reference], ["first"], {TYPES[0]: ""})
    assert {*fewer.labels} == {*TYPES[1:]}
    with pytest.raises(DataError, match=r"--map renames pink, but the types are"):
        joined([reference], ["first"], {"pink": "red"})


def light(crops):
    return np.quantile(crops, 0.9, axis=(1, 2))


def test_stains_are_swapped_with_those_of_another_laboratory(cells):
    crops = np.array(cells.crops)
    stains = measure_stains(crops, cells.groups, cells.laboratories, torch.device("cpu"))
    assert stains.laboratory.tolist() == [0, 1]  # days of eight cells are too few each
    numbers = torch.arange(len(crops)).repeat(2)
    generator = torch.Generator().manual_seed(0)
    shown = swap_stains(torch.from_numpy(crops)[numbers], numbers, stains, generator).numpy()
    of_first = cells.laboratories[numbers] == 0
    change = np.abs(shown.astype(int) - crops[numbers]).mean((1, 2, 3))
    swapped = change > 2
    assert 0.35 < swapped.mean() < 0.65
    assert change[~swapped].max() < 1  # rounding
    own, other = (light(crops[cells.laboratories == one]).mean(0) for one in (0, 1))
    assert np.abs(own - other).max() > 10
    np.testing.assert_allclose(light(shown[swapped & of_first]).mean(0), other, atol=5)
    np.testing.assert_allclose(light(shown[swapped & ~of_first]).mean(0), own, atol=5)


def trained_like(view, seed):
    """Give a network that looks as if it had been trained: every weight is its own."""
    torch.manual_seed(seed)
    network = CellNetwork(3, view, 8)
    for name, tensor in network.state_dict().items():
        if tensor.dtype.is_floating_point and tensor.ndim == 1:
            tensor.copy_(
                torch.rand_like(tensor) + (0.5 if "var" in name or "weight" in name else 0)
            )
    return network.eval()


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    networks = [trained_like(view, n) for n, view in enumerate(("colour", "grey"))]
    file = tmp_path_factory.mktemp("written") / "first.onnx"
    write_encoder(
        networks, file, dict.fromkeys(("name", "source", "licence", "trained_on"), "x"), ()
    )
    return networks, file


def test_a_network_begins_with_the_weights_of_an_encoder(written):
    networks, file = written
    images = torch.rand(8, 3, 96, 96)
    for member, view in enumerate(("colour", "grey")):
        network = CellNetwork(5, view, 8).train()
        begin_with(network, file, member, torch.rand(6, 3, 96, 96))
        assert network.training
        with torch.no_grad():
            found, expected = network.eval().embed(images), networks[member].embed(images)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_what_is_not_such_an_encoder_is_told(written, tmp_path):
    _, file = written
    images = torch.rand(2, 3, 96, 96)
    for network, member in ((CellNetwork(3, "colour", 4), 0), (CellNetwork(3, "colour", 8), 1)):
        with pytest.raises(EncoderError, match="the same --views and --width"):
            begin_with(network, file, member, images)
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(EncoderError, match="cannot be read as an ONNX file"):
        begin_with(CellNetwork(3, "colour", 8), tmp_path / "text.onnx", 0, images)


@pytest.fixture
def unchecked(monkeypatch):
    """Leave the check on held-back microscopes out: it takes longer than a short training."""
    monkeypatch.setattr(fit_module, "check_on_held_back", lambda *_: ())
    monkeypatch.setattr(fit_module, "describe_check", lambda _: "")


@pytest.mark.usefixtures("unchecked")
def test_training_on_two_laboratories_goes_on_where_it_was_stopped(
    cells, written, tmp_path, monkeypatch
):
    monkeypatch.setattr("celltransfer_core.encoders.training.trainer._SAVE_EVERY", 0)
    networks, file = written
    options = {"views": ("colour", "grey"), "steps": (3,), "batch": 8, "width": 8}
    recipe = recipe_from(**options, begin_with=str(file), learning_rate=1e-7)

    def stop(_, done, __):
        if done == 2:
            raise KeyboardInterrupt

    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    whole = train(cells, recipe, tmp_path / "whole", report=str)
    with pytest.raises(KeyboardInterrupt):
        train(cells, recipe, tmp_path / "broken", progress=stop, report=str)
    again = train(cells, recipe, tmp_path / "broken", report=str)
    for one, other, first in zip(whole, again, networks, strict=True):
        for name, tensor in one.state_dict().items():
            assert torch.equal(tensor, other.state_dict()[name]), name
        # At next to no rate of learning the convolutions are those that it began with.
        torch.testing.assert_close(one.stem[0].weight, first.stem[0].weight, atol=1e-4, rtol=0)
    assert whole[0].classify.out_features == 3
    file.with_name("other.onnx").write_bytes(file.read_bytes() + b" ")
    changed = recipe_from(
        **options, begin_with=str(file.with_name("other.onnx")), learning_rate=1e-7
    )
    with pytest.raises(EncoderError, match="other options or cells"):
        train(cells, changed, tmp_path / "broken", report=str)


@pytest.fixture
def few_views(monkeypatch):
    monkeypatch.setattr("celltransfer_core.encoders.training.last_layer._VIEWS", 128)


def test_a_last_layer_finds_what_tells_types_apart(cells, tmp_path, rng):
    types = rng.integers(0, 3, 600)
    rows = rng.normal(size=(600, 30)) * np.repeat([1.0, 0.3], [24, 6])  # little of it tells them
    rows[:, 24:27] += np.eye(3)[types]
    possible = np.eye(3, dtype=bool)[types]
    np.savez(tmp_path / "last.npz", images=rows.astype(np.float32), possible=possible, types=types)
    last = train_last([], cells, recipe_from(last_steps=200), tmp_path, lambda *_: None)
    told = last(torch.from_numpy(rows).float()).numpy()

    def right(points):
        unit = points / np.linalg.norm(points, axis=1, keepdims=True)
        nearest = (unit @ unit.T - 2 * np.eye(600)).argmax(axis=1)
        return (types[nearest] == types).mean()

    assert right(rows) < 0.65
    assert right(told) > 0.85


@pytest.mark.usefixtures("few_views")
def test_a_last_layer_looks_once_and_leaves_the_networks(cells, written, tmp_path, monkeypatch):
    networks, _ = written
    before = [tensor.clone() for network in networks for tensor in network.state_dict().values()]
    recipe = recipe_from(last_steps=2)
    last = train_last(networks, cells, recipe, tmp_path, lambda *_: None)
    after = [tensor for network in networks for tensor in network.state_dict().values()]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert last.weight.shape == (256, 2 * 96)
    assert not last.weight.requires_grad
    monkeypatch.setattr(Batches, "draw", lambda *_: pytest.fail("looked again"))
    again = train_last(networks, cells, recipe, tmp_path, lambda *_: None)
    assert torch.equal(last.weight, again.weight)


def test_a_last_layer_stands_before_the_rows_of_the_networks(written):
    networks, _ = written
    last = torch.nn.Linear(2 * 96, 5, bias=False)
    images = torch.rand(3, 3, 96, 96)
    with torch.no_grad():
        rows, found = (Committee(networks, one).eval()(images) for one in (None, last))
        told = torch.nn.functional.normalize(last(rows), dim=1)
    torch.testing.assert_close(found[:, :5], told)
    torch.testing.assert_close(found[:, 5:].norm(dim=1), torch.full((3,), 0.6))
    torch.testing.assert_close(
        torch.nn.functional.normalize(found[:, 5:], dim=1),
        torch.nn.functional.normalize(rows, dim=1),
    )


@pytest.mark.usefixtures("unchecked", "few_views")
def test_the_command_takes_several_laboratories(drawn, second, written, tmp_path, capsys):
    out = tmp_path / "both.onnx"
    words = ["encoders", "train", "--data", str(drawn / "reference"), "--data", str(second)]
    words += ["--out", str(out), "--views", "colour,grey", "--width", "8", "--steps", "0"]
    words += ["--workers", "1", "--begin-with", str(written[1]), "--last-steps", "2"]
    assert main([*words, "--map", "granulocyte=neutrophil"]) == 0
    assert "data: 66 cells" in capsys.readouterr().out
    told = json.loads(out.with_suffix(".json").read_text())
    assert told["trained_on"] == "66 cells of reference, second"
    assert told["dim"] == 256 + 2 * 96
    crops = np.load(out.with_suffix(".training") / "crops.npy", mmap_mode="r")
    images = [np.array(crop[24:120, 24:120]) for crop in crops[:4]]
    encoder = OnnxEncoder("both", out)
    rows = encode(encoder, images, np.full(len(images), np.nan, dtype=np.float32))
    with torch.no_grad():
        pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
        first = Committee(written[0]).eval()(pixels).numpy()
    # The networks are those that it began with.
    np.testing.assert_allclose(rows[:, 256:], first * 0.6 / 2**0.5, atol=1e-5)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--map", "pink"], "does not have the form FROM=TO"),
        (["--map", "=pink"], "does not have the form FROM=TO"),
        (["--map", "pink=red"], "--map renames pink"),
        (["--begin-with", "none.onnx"], "none.onnx cannot be read"),
        (["--steps", "0"], "--steps can be 0 with --begin-with"),
        (["--last-steps", "-1"], "--last-steps must be at least 0"),
        (["--learning-rate", "0"], "--learning-rate takes a number above 0"),
    ],
)
def test_wrong_options_are_told(drawn, tmp_path, capsys, more, message):
    words = ["encoders", "train", "--data", str(drawn / "reference"), "--workers", "1", "--quiet"]
    with pytest.raises(SystemExit) if "form" in message else nullcontext() as ended:
        code = main([*words, "--out", str(tmp_path / "x.onnx"), *more])
    assert (ended.value.code if ended else code) == 2
    assert message in capsys.readouterr().err

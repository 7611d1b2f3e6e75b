import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from celltransfer_core.benchmark import load_set, read_pairs, true_types
from celltransfer_core.data import pool
from celltransfer_core.errors import DataError

ROOT = Path(__file__).parents[2]
PAPER = ROOT / "assets" / "benchmarks" / "paper.toml"
GUIDE = ROOT / "assets" / "guides" / "5-the-papers-sets.md"

SHARED = ("basophil", "eosinophil", "lymphocyte", "monocyte", "neutrophil")

PBC = {
    "basophil/BA_1.jpg": "basophil",
    "eosinophil/EO_1.jpg": "eosinophil",
    "erythroblast/ERB_1.jpg": "erythroblast",
    "ig/IG_1.jpg": "immature granulocyte",
    "ig/MMY_1.jpg": "metamyelocyte",
    "ig/MY_1.jpg": "myelocyte",
    "ig/PMY_1.jpg": "promyelocyte",
    "lymphocyte/LY_1.jpg": "lymphocyte",
    "monocyte/MO_1.jpg": "monocyte",
    "neutrophil/BNE_1.jpg": "neutrophil",
    "neutrophil/NEUTROPHIL_1.jpg": "neutrophil",
    "neutrophil/SNE_1.jpg": "neutrophil",
    "neutrophil/SNE_2.jpg": "neutrophil",
    "platelet/PLATELET_1.jpg": "platelet",
}
WBC = {
    "Basophile/0.bmp": "basophil",
    "Eosinophile/0.bmp": "eosinophil",
    "Lymphoblast/0.bmp": "lymphoblast",
    "Lymphocyte/0.bmp": "lymphocyte",
    "Lymphocyte/1.bmp": "lymphocyte",
    "Monocyte/0.bmp": "monocyte",
    "Myeloblast/0.bmp": "myeloblast",
    "Neutrophile Band/0.bmp": "neutrophil",
    "Neutrophile Segment/0.bmp": "neutrophil",
    "Normoblast/0.bmp": "normoblast",
}
RAABIN = {f"{name.capitalize()}/2019_{n}.jpg": name for name in SHARED for n in range(2)}
LISC = {f"{part}/{code}.jpg": code for part in ("Train", "Test") for code in range(1, 6)}
LIVING = {
    f"{name}/{n}.png": name for name in ("live", "dead", "apoptotic", "necrotic") for n in range(2)
}
DEAD = {"live": 2, "dead": 6}
CAUSES = {"live": 2, "apoptotic": 2, "necrotic": 2}

PUBLISHED = {
    "PBC": ("PBC_dataset_normal_DIB", PBC, Counter(PBC.values())),
    "WBC": ("WBC", WBC, Counter(WBC.values())),
    "RAABIN": ("Raabin-WBC/Train", RAABIN, dict.fromkeys(SHARED, 2)),
    "LISC": ("LISC", LISC, dict.fromkeys(SHARED, 2)),
    "Nanolive (2 classes)": ("Nanolive", LIVING, DEAD),
    "Nanolive (3 classes)": ("Nanolive", LIVING, CAUSES),
    "Lionheart (2 classes)": ("Lionheart", LIVING, DEAD),
    "Lionheart (3 classes)": ("Lionheart", LIVING, CAUSES),
}

SMALL = """
[sets.A]
folder = "a"
[sets.B]
folder = "b"
types = {x = "basophil", y = "monocyte"}
[[pairs]]
reference = ["A"]
query = "B"
"""


def lay_out(folder, files):
    rng = np.random.default_rng(0)
    for file in files:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(path)


def write(folder, text):
    (folder / "pairs.toml").write_text(text, encoding="utf-8")
    return folder / "pairs.toml"


def one_set(folder, keys):
    head = '[[pairs]]\nreference = ["B"]\nquery = "A"\n[sets.B]\nfolder = "b"\n'
    return read_pairs(write(folder, f'{head}[sets.A]\nfolder = "a"\n{keys}\n')).sets["A"]


def make_lisc_table(folder, monkeypatch):
    """Run what the guide says on the tables that come with the crops."""
    for part in ("Train", "Test"):
        codes = {Path(file).name: code for file, code in LISC.items() if file.startswith(part)}
        (folder / "LISC" / f"{part}.json").write_text(json.dumps(codes))
    lines = re.search(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(folder)
    exec(lines.group(1), {})  # noqa: S102


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_papers_sets_come_out_with_its_types(name, tmp_path, monkeypatch):
    folder, files, counts = PUBLISHED[name]
    lay_out(tmp_path / folder, files)
    if name == "LISC":
        make_lisc_table(tmp_path, monkeypatch)
    dataset = load_set(read_pairs(PAPER, tmp_path).sets[name], labelled=True, workers=1)
    assert Counter(dataset.labels) == counts
    assert not any("holds no image of the type" in note.reason for note in dataset.notes)


def test_the_paper_has_eleven_types_in_pbc_and_eight_in_wbc():
    sets = read_pairs(PAPER).sets
    assert len(set(sets["PBC"].types.values())) == 11
    assert len(set(sets["WBC"].types.values())) == 8
    assert set(PUBLISHED) == set(sets)


def test_the_pairs_are_those_of_the_appendix():
    pairs = {pair.name: pair for pair in read_pairs(PAPER).pairs}
    assert [f"Table {number}" for number in range(9, 24)] == list(pairs)[:15]
    assert pairs["Table 13"].reference == ("WBC",)
    assert pairs["Table 13"].query == "RAABIN"
    assert pairs["Table 15"].types["WBC"] == ("basophil", "eosinophil", "lymphocyte")
    assert pairs["Table 19"].reference == ("WBC", "PBC", "RAABIN")
    assert {len(pairs[f"Table {n}"].settings["encoders"]) for n in range(9, 24)} == {14}
    assert pairs["Table 1, LISC, Louvain"].settings["clusters"] == "louvain"
    assert pairs["Table 1, LISC, Louvain"].settings["subset-size"] == 2000


@pytest.mark.parametrize("number", [15, 16, 17, 18])
def test_combinations_take_every_shared_type_once(number):
    pair = next(p for p in read_pairs(PAPER).pairs if p.name == f"Table {number}")
    assert sorted(name for taken in pair.types.values() for name in taken) == sorted(SHARED)


def test_sets_that_are_not_there_are_told(tmp_path):
    file = read_pairs(PAPER, tmp_path)
    (tmp_path / "WBC").mkdir()
    by_name = {pair.name: pair for pair in file.pairs}
    assert file.missing(by_name["Table 15"]) == ("PBC", "RAABIN")
    assert file.missing(by_name["Table 10"]) == ("PBC", "RAABIN")  # its extra set is there
    (tmp_path / "PBC_dataset_normal_DIB").mkdir()
    (tmp_path / "LISC").mkdir()
    assert file.missing(by_name["Table 11"]) == ()


def test_folders_are_beside_the_file_or_below_data(tmp_path, monkeypatch):
    path = write(tmp_path, SMALL)
    assert read_pairs(path).sets["A"].root == tmp_path / "a"
    assert read_pairs(path, tmp_path / "data").sets["A"].root == tmp_path / "data" / "a"
    monkeypatch.chdir(tmp_path)
    assert read_pairs("pairs.toml").sets["A"].root == tmp_path / "a"


def test_names_and_settings(tmp_path):
    text = f"[settings]\nsubsets = 10\nreader = true\n{SMALL}settings = {{subsets = 5}}\n"
    text = text.replace('["A"]', '["A", "C"]') + '[sets.C]\nfolder = "c"\n'
    pair = read_pairs(write(tmp_path, text)).pairs[0]
    assert pair.name == "A+C → B"
    assert pair.settings == {"subsets": 5, "reader": True}


def test_folders_tell_types_where_no_pattern_does(tmp_path):
    lay_out(tmp_path / "a", ["x/1.png", "y/1.png", "z/1.png"])
    assert load_set(one_set(tmp_path, ""), labelled=True).labels is not None
    assert true_types(one_set(tmp_path, "")) == {"x/1.png": "x", "y/1.png": "y", "z/1.png": "z"}
    named = one_set(tmp_path, 'types = {x = "basophil", z = "monocyte"}')
    assert true_types(named) == {"x/1.png": "basophil", "z/1.png": "monocyte"}


def test_a_pattern_without_types_keeps_what_it_finds(tmp_path):
    lay_out(tmp_path / "a", ["1/x_1.png", "1/y_1.png", "2/x_2.png", "2/other.png"])
    found = true_types(one_set(tmp_path, "files = '(?P<type>[a-z])_'"))
    assert found == {"1/x_1.png": "x", "1/y_1.png": "y", "2/x_2.png": "x"}


def test_a_pattern_may_find_no_type_in_a_file_that_matches(tmp_path):
    lay_out(tmp_path / "a", ["x_1.png", "y_1.png", "1.png"])
    found = true_types(one_set(tmp_path, "files = '((?P<type>[a-z])_)?[0-9]'"))
    assert sorted(found) == ["x_1.png", "y_1.png"]


def test_accents_are_the_same_in_either_spelling(tmp_path):
    lay_out(tmp_path / "a", ["cafe\u0301_1.png", "y_1.png"])
    image_set = one_set(tmp_path, 'files = \'(?P<type>[^_]+)_\'\ntypes = {"café" = "x", y = "y"}')
    assert sorted(true_types(image_set).values()) == ["x", "y"]


def test_a_query_is_read_without_its_types(tmp_path):
    lay_out(tmp_path / "a", ["x/1.png", "y/1.png", "z/1.png"])
    query = load_set(one_set(tmp_path, 'types = {x = "basophil", y = "monocyte"}'), labelled=False)
    assert query.labels is None
    assert query.n_cells == 3


@pytest.mark.parametrize("files", ["", "files = '(?P<type>[^/]+)/'"])
def test_types_that_the_folder_lacks_are_noted(tmp_path, files):
    lay_out(tmp_path / "a", ["x/1.png", "y/1.png"])
    image_set = one_set(tmp_path, f'{files}\ntypes = {{x = "a", y = "b", q = "c"}}')
    notes = [note.reason for note in load_set(image_set, labelled=True).notes]
    assert notes == ["holds no image of the type q that the set A names"]


def test_wrong_folder_names_are_told(tmp_path):
    lay_out(tmp_path / "a", ["x/1.png", "y/1.png"])
    image_set = one_set(tmp_path, 'types = {x = "basophil", Y = "monocyte"}')
    with pytest.raises(DataError, match=r"fewer than two of the types x, Y; .*\(x, y\).*set A"):
        load_set(image_set, labelled=True)


def test_a_pair_takes_some_types_of_a_set(tmp_path):
    lay_out(tmp_path / "b", ["x/1.png", "y/1.png", "y/2.png"])
    file = read_pairs(write(tmp_path, SMALL + 'types = {B = ["monocyte"]}\n'))
    pair = file.pairs[0]
    assert pair.takes("B", "monocyte")
    assert not pair.takes("B", "basophil")
    assert pair.takes("A", "basophil")
    assert not pair.takes("A", "")
    dataset = load_set(file.sets["B"], labelled=True)
    kept = pool([dataset], [pair.mapping("B", set(dataset.labels))])
    assert kept.labels == ("monocyte", "monocyte")
    assert pair.mapping("A", ["basophil"]) == {}


FAULTS = {
    "no TOML": ("reference = [", r"is not valid TOML; correct it: "),
    "nothing": ("", r"the file: pairs is missing; write \[\[pairs\]\]"),
    "no pairs": ('[sets.A]\nfolder = "a"', r"the file: pairs is missing; write"),
    "empty pairs": ('pairs = []\n[sets.A]\nfolder = "a"', r"pairs must be a list of tables; write"),
    "pairs as a table": ('[pairs]\nquery = "A"', r"pairs must be a list of tables; write"),
    "no sets": ('[[pairs]]\nreference = ["A"]\nquery = "B"', r"the file: sets is missing; write"),
    "unknown key": (f"data = 1\n{SMALL}", r"the file has the unknown key 'data'; write one of"),
    "set's unknown key": (
        SMALL.replace('folder = "a"', 'folder = "a"\nfile = "x"'),
        r"sets\.A has the unknown key 'file'; write one of folder, files, types",
    ),
    "set is no table": (f'sets.C = "c"\n{SMALL}', r"sets\.C must be a table with the keys folder"),
    "no folder": (SMALL.replace('folder = "a"', ""), r"sets\.A: folder is missing; write folder ="),
    "empty folder": (SMALL.replace('"a"', '" "'), r"sets\.A: folder must be a non-empty text"),
    "bad expression": (
        SMALL.replace('folder = "a"', 'folder = "a"\nfiles = "(?P<type>x"'),
        r"sets\.A: files is not a regular expression \(.*\); write files = ",
    ),
    "no group": (
        SMALL.replace('folder = "a"', 'folder = "a"\nfiles = "(x)/"'),
        r"sets\.A: files has no group named type; write files = ",
    ),
    "empty types of a set": (
        SMALL.replace('{x = "basophil", y = "monocyte"}', "{}"),
        r"sets\.B: types must give each type a name; write types = ",
    ),
    "unnamed type": (
        SMALL.replace('"basophil"', '""'),
        r"sets\.B: types must give each type a name; write types = ",
    ),
    "no reference": (
        SMALL.replace('reference = ["A"]', ""),
        r'pair 1: reference is missing; write reference = \["WBC"\]',
    ),
    "empty reference": (
        SMALL.replace('["A"]', "[]"),
        r"pair 1: reference must be a list of names; write",
    ),
    "reference as a text": (
        SMALL.replace('["A"]', '"A"'),
        r"pair 1: reference must be a list of names; write",
    ),
    "no query": (SMALL.replace('query = "B"', ""), r"pair 1: query is missing; write query ="),
    "empty extra": (f"{SMALL}extra = []", r"pair 1: extra must be a list of names; write extra ="),
    "empty name": (f'{SMALL}name = ""', r"pair 1: name must be a non-empty text; write"),
    "pair's unknown key": (f'{SMALL}querry = "B"', r"pair 1 has the unknown key 'querry'; write"),
    "unknown set": (
        f'{SMALL}name = "one"\nextra = ["C"]',
        r"pair 'one': extra names the unknown set 'C'; write one of A, B, or add \[sets\.C\]",
    ),
    "set twice": (
        f'{SMALL}extra = ["A"]',
        r"pair 1: reference names A twice; write each set once in a pair",
    ),
    "same name twice": (
        f'{SMALL}[[pairs]]\nreference = ["A"]\nquery = "B"',
        r"two pairs are named 'A → B'; give each its own name",
    ),
    "types of a stranger": (
        f'{SMALL}types = {{C = ["x"]}}',
        r"pair 1: types names 'C', which is not a set of the pair; write one of A, B",
    ),
    "types as a list": (f'{SMALL}types = ["x"]', r"pair 1: types must list types by set; write"),
    "no types taken": (f"{SMALL}types = {{B = []}}", r"pair 1: types must list types by set"),
    "type that a set lacks": (
        f'{SMALL}types = {{B = ["x"]}}',
        (
            r"pair 1: types takes 'x' from B, which does not have this type; write some of "
            r"basophil, monocyte"
        ),
    ),
    "empty setting": (
        f"[settings]\nencoders = []\n{SMALL}",
        r"the file: settings\.encoders must be a text, a number, .*; write it as on the",
    ),
    "date as a setting": (
        f"{SMALL}settings = {{seed = 2020-01-01}}",
        r"pair 1: settings\.seed must be a text, a number, ",
    ),
    "settings as a list": (
        f"settings = [1]\n{SMALL}",
        r"the file: settings must be a non-empty table",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_one_line_that_says_what_to_write(fault, tmp_path):
    text, message = FAULTS[fault]
    path = write(tmp_path, text)
    with pytest.raises(DataError, match=message) as raised:
        read_pairs(path)
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)
    assert str(raised.value).endswith(".")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_pairs(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"name = '\xe9'")
    with pytest.raises(DataError, match="not UTF-8"):
        read_pairs(tmp_path / "latin.toml")


def test_a_byte_order_mark_does_no_harm(tmp_path):
    assert read_pairs(write(tmp_path, f"\ufeff{SMALL}")).pairs[0].query == "B"

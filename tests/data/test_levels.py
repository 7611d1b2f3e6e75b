"""At which level of folders the types stand: asked wherever two can be meant, never guessed."""

import shutil

import pytest

from celltransfer_core.data import INNERMOST, LevelError, read_dataset, stored_dataset
from celltransfer_core.errors import DataError

TRAIN = {f"{part}/{kind}/1.png" for part in ("test", "train", "val") for kind in ("x", "y")}


@pytest.fixture
def laid_out(tmp_path, save):
    """Save an image under each name."""

    def saved(names):
        for number, name in enumerate(sorted(names)):
            save(tmp_path / name, number)
        return tmp_path

    return saved


def types(dataset):
    return dict(zip(dataset.files, dataset.labels, strict=True))


@pytest.mark.parametrize(
    "names",
    [
        TRAIN,
        {"slide 1/x/a.png", "slide 1/y/b.png", "slide 2/y/c.png"},
        {"p1/X/a.png", "p2/x /b.png"},  # as two people spell it
        {"train/s1/x/1.png", "val/s2/x/2.png", "val/s3/y/2.png"},
        {"x/s1/1.png", "y/s1/2.png"},  # types that hold the same slides look alike
    ],
)
def test_what_is_unclear_is_asked(laid_out, names):
    folder = laid_out(names)
    with pytest.raises(LevelError, match=r"level 1 \(.*level 2 \(.*--types-at LEVEL"):
        read_dataset(folder, labelled=True)
    assert read_dataset(folder).labels is None  # without types nothing is to be asked
    assert set(types(read_dataset(folder, labelled=True, types_at=1)).values()) == {
        name.split("/")[0] for name in names
    }


def test_the_question_tells_the_types_of_each_level(laid_out):
    with pytest.raises(LevelError) as caught:
        read_dataset(laid_out({*TRAIN, "train/y/deep/2.png", "3.png"}), labelled=True)
    assert [
        (level.types_at, dict(level.types), level.without) for level in caught.value.levels
    ] == [
        (1, {"test": 2, "train": 3, "val": 2}, 1),
        (2, {"x": 3, "y": 4}, 1),
        (3, {"deep": 1}, 7),
        (INNERMOST, {"deep": 1, "x": 3, "y": 3}, 1),
    ]


@pytest.mark.parametrize("level", [2, INNERMOST])
def test_types_are_taken_from_the_level_that_was_said(laid_out, level):
    dataset = read_dataset(laid_out({*TRAIN, "z.png"}), labelled=True, types_at=level)
    assert types(dataset) == {name: name.split("/")[1] for name in TRAIN}
    assert [(one.file, one.reason) for one in dataset.left_out] == [
        ("z.png", "is outside the types' sub-folders")
    ]


def test_clear_layouts_ask_nothing(laid_out, folder):
    assert set(read_dataset(folder, labelled=True).labels) == {"a", "b c"}
    shutil.rmtree(folder / "a")
    names = {"x/1.png", "x/s1/2.png", "y/s2/3.png", "y/4.png"}
    laid = laid_out(names)
    shutil.rmtree(folder / "b c")
    assert types(read_dataset(laid, labelled=True)) == {name: name[0] for name in names}


def test_a_table_of_labels_wins(laid_out):
    folder = laid_out(TRAIN)
    lines = "".join(f"{name},{name[:2]}\n" for name in TRAIN)
    (folder / "labels.csv").write_text(f"file,label\n{lines}")
    assert set(read_dataset(folder, labelled=True).labels) == {"te", "tr", "va"}
    assert set(read_dataset(folder, labelled=True, types_at=2).labels) == {"te", "tr", "va"}


def test_a_level_that_is_not_there_is_said(laid_out):
    with pytest.raises(DataError, match=r"6 left out.*outside the types"):
        read_dataset(laid_out(TRAIN), labelled=True, types_at=5)


def test_a_stored_set_asks_the_same(store, png):
    root, checked = store({name: png(f"#{n}{n}0") for n, name in enumerate(sorted(TRAIN))})
    with pytest.raises(LevelError, match="Data page"):
        stored_dataset(root, "mine", checked, {}, labelled=True)
    made = stored_dataset(root, "mine", checked, {}, labelled=True, types_at=2)
    assert set(made.labels) == {"x", "y"}

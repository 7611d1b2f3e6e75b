from celltransfer_core.pipeline import layouts, maps
from celltransfer_core.studies import layout_of, load_run, states


def test_settings_make_only_what_depends_on_them_stale(space, finished):
    space.change_options(finished, filtering="none")
    assert list(states(space, finished).values()) == ["done", "done", "done", "stale"]
    assert load_run(space, finished) is None
    assert load_run(space, finished, stale=True).config.filtering == "auto"
    space.change_options(finished, filtering=None, resolution=1.0)
    assert list(states(space, finished).values()) == ["done", "stale", "stale", "stale"]
    space.change_options(finished, resolution=None)
    assert set(states(space, finished).values()) == {"done"}
    images = space.sets(finished, "reference")[0]
    space.change_set(images.id, mapping={"eosinophil": "granulocyte"})
    assert set(states(space, finished).values()) == {"stale"}


def test_without_umap_there_is_one_layout(space, finished, monkeypatch):
    monkeypatch.setattr(maps, "find_spec", lambda _: None)
    space.change_options(finished, layout="UMAP")
    assert layouts() == ("t-SNE",)
    assert layout_of(space.study(finished)) == "t-SNE"

from celltransfer_core.about import RESEARCH_USE


def test_every_guide_has_its_place(open_page, finished):
    app = open_page("help")
    assert not app.exception
    assert [tab.label for tab in app.tabs] == [
        "First steps",
        "Your folders",
        "Reading the numbers",
        "Command line",
        "The paper's sets",
        "On a hospital's server",
        "Bring your own encoder",
        "The method",
    ]
    assert app.caption[0].value == RESEARCH_USE
    assert all(len(tab.markdown[0].value) > 500 for tab in app.tabs)

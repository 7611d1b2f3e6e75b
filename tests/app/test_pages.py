from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from celltransfer_core import RESEARCH_USE
from celltransfer_core.demo import DRAWN_NOTICE

ROOT = Path(__file__).parents[2]


@pytest.fixture
def at_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def text_of(app):
    return " ".join(
        element.value
        for kind in ("title", "markdown", "caption", "info")
        for element in app.get(kind)
    )


@pytest.mark.usefixtures("at_root")
def test_the_demo_study_is_ready_and_said_to_be_drawn():
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run()
    assert not app.exception
    assert app.info[0].value == DRAWN_NOTICE
    assert RESEARCH_USE in text_of(app)
    metrics = {metric.label: metric.value for metric in app.metric}
    assert metrics["Query cells typed"] == "240"
    assert sum("Cluster " in element.value for element in app.markdown) == int(
        metrics["Clusters found"]
    )
    flagged = len(app.dataframe[0].value)
    app.toggle[0].set_value(False).run()
    assert not app.exception
    assert flagged < len(app.dataframe[0].value) == 240


@pytest.mark.usefixtures("at_root")
def test_help_shows_the_guides():
    app = AppTest.from_file(str(ROOT / "pages" / "help.py")).run()
    assert not app.exception
    assert "First steps" in text_of(app)

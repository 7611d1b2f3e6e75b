from celltransfer_core.web import image_url, routes
from tests.web.asking import ask


def test_routes_lie_under_the_apps_base(space, study, sha256):
    url = image_url(space, study, sha256, size=20)
    assert ask("GET", f"/cells/app/{url}", base="/cells/app/").status == 200
    assert ask("GET", url, base="cells").status == 404


def test_streamlit_accepts_the_routes(tmp_path):
    import streamlit as st

    (tmp_path / "main.py").write_text("")
    st.App(str(tmp_path / "main.py"), routes=routes())

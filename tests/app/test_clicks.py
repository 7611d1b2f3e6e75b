"""A click counts even where the page is drawn anew before it comes to the button."""

import ast
import sys
from pathlib import Path

from streamlit.testing.v1 import AppTest

PAGES = Path(__file__).parents[2] / "pages"


def page():
    import streamlit as st

    from parts.clicks import clicked, forget_clicks

    forget_clicks(st.session_state.get("where", "data"))
    if st.session_state.pop("truncated", False):
        st.rerun()  # as an upload that reports cuts a run short
    if clicked(st.button, "Type my cells", key="type"):
        st.session_state["begun"] = st.session_state.get("begun", 0) + 1


def open_app(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(PAGES), *sys.path])
    app = AppTest.from_function(page).run()
    assert not app.exception
    return app


def test_a_click_counts_once(monkeypatch):
    app = open_app(monkeypatch)
    app.button(key="type").click().run()
    app.run()
    assert app.session_state["begun"] == 1


def test_a_click_outlives_a_run_that_is_cut_short(monkeypatch):
    app = open_app(monkeypatch)
    app.session_state["truncated"] = True
    app.button(key="type").click().run()
    assert app.session_state["begun"] == 1


def test_a_click_does_not_wait_on_another_page(monkeypatch):
    app = open_app(monkeypatch)
    app.session_state["clicks"] = {"type"}
    app.session_state["where"] = "review"
    app.run()
    app.session_state["where"] = "data"
    app.run()
    assert "begun" not in app.session_state


def may_be_lost(node):
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("button", "form_submit_button")
        and not any(named.arg == "on_click" for named in node.keywords)
    )


def test_no_page_draws_a_button_whose_click_may_be_lost():
    lost = [
        f"{path.name}:{node.lineno}"
        for path in sorted(PAGES.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if may_be_lost(node)
    ]
    assert not lost, f"use parts.clicks.clicked, or on_click: {lost}"

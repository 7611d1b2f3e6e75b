"""Who may what: every route and page, and what each needs; a new one fails until it is listed."""

import io
import json

import pytest
from PIL import Image
from starlette.routing import Route

from celltransfer_core.studies import Workspace
from celltransfer_core.web import download_routes, file_url, image_url, routes, upload_access
from celltransfer_core.web.addresses import LIFETIME
from tests.app.conftest import PAGES, open_page  # noqa: F401 a fixture
from tests.studies.samples import prepared
from tests.web.asking import ask, batch, later, packed

REFUSED = {401, 403, 404}

ROUTES = {
    ("GET", "/ct/image/{study}/{sha256}"): "picture",
    ("GET", "/ct/files/{set}"): "upload",
    ("POST", "/ct/files/{set}"): "upload",
    ("POST", "/ct/files/{set}/zip"): "upload",
    ("POST", "/ct/files/{set}/folder"): "upload",
    ("GET", "/ct/export/{study}/{file}"): "download",
}
"""What a request needs: a token of this purpose, for the study, set or file in its path."""

NEEDS = {
    "start": "sign-in",
    "studies": "sign-in",
    "help": "sign-in",
    "data": "study",
    "embeddings": "study",
    "clusters": "study",
    "matches": "study",
    "classify": "study",
    "cells": "study",
    "review": "study",
    "export": "study",
    "evaluate": "study",
}
"""What a page needs: a sign-in, where there is one; and an open study besides."""


def png(shade=0):
    file = io.BytesIO()
    Image.new("RGB", (20, 20), (shade, 90, 9)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def space(home):
    return Workspace()


@pytest.fixture
def sets(space):
    """A query set of each of two studies, with an image and a prepared file."""
    made = []
    for name in ("one", "other"):
        image_set = space.add_set(space.create(name).id, "query", "query")
        space.receive(image_set.id, [("1.png", png())])
        made.append(space.image_set(image_set.id))
    return made


def request(space, image_set, method, path):
    """Give the address, body and headers with which a page asks for a route."""
    study, kind = image_set.study, ROUTES[method, path]
    if kind == "picture":
        cell = space.dataset(image_set).cells[0]
        return image_url(space, study, cell, size=20), b"", {}
    if kind == "download":
        return file_url(space, study, prepared(space, study), "x.zip"), b"", {}
    access = upload_access(space, image_set)
    what = path.rpartition("{set}")[2]
    body = {
        "": batch([("2.png", png(1))]) if method == "POST" else b"",
        "/zip": packed([("3.png", png(2))]),
        "/folder": json.dumps({"path": str(space.folder)}).encode(),
    }[what]
    return access["url"] + what, body, {access["header"]: access["token"]}


def without(url, headers):
    """Take the token out of an address and its headers."""
    return url.partition("?")[0] + "?size=20", {}


def with_token(url, headers, of):
    """Put the token of another request in."""
    other, others = of
    if headers:
        return url, others
    token = other.partition("t=")[2].partition("&")[0]
    return url.partition("t=")[0] + f"t={token}", {}


def test_every_route_is_listed():
    mounted = [*routes(), *download_routes()]
    assert all(isinstance(route, Route) for route in mounted)
    found = {(how, one.path) for one in mounted for how in one.methods - {"HEAD"}}
    assert found == set(ROUTES), "list the new route in ROUTES, with the token that it needs"


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=lambda part: part)
def test_a_route_opens_with_its_own_token_alone(space, sets, monkeypatch, method, path):
    monkeypatch.setenv("CELLTRANSFER_ROOTS", str(space.folder.parent))
    url, body, headers = request(space, sets[0], method, path)
    elsewhere = request(space, sets[1], method, path)
    before = space.known_files(sets[0].id)
    wrong = [
        without(url, headers),
        with_token(url, headers, (elsewhere[0], elsewhere[2])),
        with_token(url, headers, ("t=", {next(iter(headers), "x"): ""})),
        with_token(url, headers, ("t=x.y.z", {next(iter(headers), "x"): "x.y.z"})),
    ]
    for other_url, other_headers in wrong:
        answer = ask(method, other_url, body, other_headers)
        assert answer.status in REFUSED, (other_url, answer.body[:100])
    for how in {"HEAD", "POST", "GET", "PUT", "DELETE"} - {method}:
        if (how, path) not in ROUTES:
            assert ask(how, *without(url, headers)[:1], body).status in REFUSED | {405}
    with monkeypatch.context() as clock:
        later(clock, 2 * LIFETIME + 1)
        assert ask(method, url, body, headers).status in REFUSED
    assert space.known_files(sets[0].id) == before
    assert ask(method, url, body, headers).status == 200


def test_a_token_of_one_purpose_opens_nothing_else(space, sets):
    picture = request(space, sets[0], "GET", "/ct/image/{study}/{sha256}")[0]
    token = picture.partition("t=")[2].partition("&")[0]
    access = upload_access(space, sets[0])
    assert ask("GET", access["url"], b"", {access["header"]: token}).status in REFUSED
    file = request(space, sets[0], "GET", "/ct/export/{study}/{file}")[0]
    for other in (token, access["token"]):
        assert ask("GET", file.partition("?")[0] + f"?t={other}").status in REFUSED


def test_every_page_is_listed():
    found = {path.stem for path in PAGES.glob("*.py")} - {"main"}
    assert found == set(NEEDS), "list the new page in NEEDS, with what it needs"


class User(dict):
    """Somebody at the door, as Streamlit knows them."""


def sign_in(monkeypatch, **about):
    import streamlit as st

    monkeypatch.setattr(st, "user", User(about))


@pytest.mark.parametrize("page", NEEDS)
def test_a_page_shows_nothing_before_the_sign_in(space, sets, open_page, monkeypatch, page):  # noqa: F811
    sign_in(monkeypatch, is_logged_in=False)
    app = open_page(page, sets[0].study)
    assert [one.value for one in app.title] == ["CellTransfer"]
    assert [one.label for one in app.button] == ["Sign in"]
    assert not app.text_input
    assert "one" not in {one.value for one in app.text}


@pytest.mark.parametrize("page", [page for page, need in NEEDS.items() if need == "study"])
def test_a_page_of_a_study_shows_nothing_without_one(space, open_page, page):  # noqa: F811
    if page == "evaluate":  # not even in the navigation
        return
    app = open_page(page)
    assert not app.exception
    assert "No study is open" in app.info[0].value
    assert not app.main.button


def test_with_a_sign_in_the_name_comes_from_it_alone(space, sets, open_page, monkeypatch):  # noqa: F811
    sign_in(monkeypatch, is_logged_in=True, email="ann@hospital.example", name="Ann")
    app = open_page("studies", reader="Mallory")
    assert "Signed in as ann@hospital.example" in [one.value for one in app.sidebar.text]
    assert "Your name" not in [one.label for one in app.text_input]


@pytest.mark.parametrize(
    ("about", "name"),
    [
        ({"is_logged_in": True, "email": "ann@x.example", "name": "Ann"}, "ann@x.example"),
        ({"is_logged_in": True, "name": "Ann"}, "Ann"),
        ({"is_logged_in": False}, "Mallory"),
        ({}, "Mallory"),
    ],
)
def test_the_name_of_a_decision(monkeypatch, about, name):
    import streamlit as st

    from parts.here import reader_name

    sign_in(monkeypatch, **about)
    monkeypatch.setattr(st, "session_state", {"reader": "Mallory"})
    assert reader_name() == name

"""Who may what: every route and page, and what each needs; a new one fails until it is listed."""

import io
import json
import os
import subprocess
import sys
from unittest.mock import MagicMock

import pytest
from PIL import Image
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from streamlit.web.server.starlette.starlette_app import create_streamlit_routes

from celltransfer_core.studies import Workspace
from celltransfer_core.web import (
    Door,
    SignInError,
    SignIns,
    download_routes,
    file_url,
    image_url,
    person,
    report_url,
    routes,
    upload_access,
)
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
    ("GET", "/ct/report/{study}/{file}"): "report",
}
"""What a request needs: a token of this purpose, for the study, set or file in its path."""

STREAMLIT = {
    "/_stcore/health": "nothing",
    "/_stcore/metrics": "nothing",  # counts alone
    "/_stcore/host-config": "nothing",
    "/media/{file_id:path}": "sign-in",
    "/_stcore/upload_file/{session_id}/{file_id}": "sign-in",
    "/component/{path:path}": "nothing",  # scripts and styles, as the pages' own
    "/_stcore/bidi-components/{path:path}": "nothing",
    "/_stcore/stream": "page",
    "/auth/login": "nothing",
    "/auth/logout": "nothing",
    "/oauth2callback": "nothing",
    "/_stcore/agent/interact": "page",  # off; it sees what a page shows to nobody
    "/_stcore/agent/openapi.json": "page",
    "/_stcore/agent/mcp": "page",
    "": "nothing",  # the pages' scripts and styles
}
"""What Streamlit's own routes need where there is a sign-in; a page asks for it itself."""

NEEDS = {
    "start": "sign-in",
    "studies": "sign-in",
    "compare": "sign-in",
    "help": "sign-in",
    "data": "study",
    "embeddings": "study",
    "clusters": "study",
    "matches": "study",
    "classify": "study",
    "cells": "study",
    "answers": "study",
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
    if kind == "report":
        return report_url(space, study, prepared(space, study)), b"", {}
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


def test_every_route_of_streamlit_is_listed_and_those_with_data_are_behind_the_sign_in(home):
    mounted = create_streamlit_routes(MagicMock())
    found = {one.path for one in mounted}
    assert found == set(STREAMLIT), "list the new route in STREAMLIT; guard it in door.py"
    held = {"read": lambda _: None, "sign_ins": SignIns(home), "cookies": "_streamlit_user"}
    for path in {*found} - {"", "/_stcore/stream"}:
        more = [Route(path, lambda _: PlainTextResponse("in"))]
        asked = path.replace("{", "").replace("}", "").replace(":path", "")
        status = ask("GET", asked, middleware=[Middleware(Door, **held)], more=more).status
        assert status == (401 if STREAMLIT[path] == "sign-in" else 200), path


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=lambda part: part)
def test_a_route_is_behind_the_sign_in_too(space, sets, method, path):
    url, body, headers = request(space, sets[0], method, path)
    held = {"read": lambda _: None, "sign_ins": SignIns(space.folder), "cookies": "_streamlit_user"}
    assert ask(method, url, body, headers, middleware=[Middleware(Door, **held)]).status == 401


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
    report = request(space, sets[0], "GET", "/ct/report/{study}/{file}")[0]
    tokens = [url.partition("t=")[2] for url in (file, report)]
    for other in (token, access["token"], tokens[1]):
        assert ask("GET", file.partition("?")[0] + f"?t={other}").status in REFUSED
    for other in (token, access["token"], tokens[0]):
        assert ask("GET", report.partition("?")[0] + f"?t={other}").status in REFUSED


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


ANN = {
    "is_logged_in": True,
    "iss": "https://id.example",
    "sub": "7",
    "email": "ann@hospital.example",
    "email_verified": True,
    "name": "Ann",
}


def test_with_a_sign_in_the_name_comes_from_it_alone(space, sets, open_page, monkeypatch):  # noqa: F811
    sign_in(monkeypatch, **ANN)
    app = open_page("studies", reader="Mallory")
    assert f"Signed in as {person(ANN)}" in [one.value for one in app.sidebar.text]
    assert person(ANN).startswith("ann@hospital.example (")
    assert "Your name" not in [one.label for one in app.text_input]


def test_without_an_identity_nobody_sees_a_study(space, sets, open_page, monkeypatch):  # noqa: F811
    sign_in(monkeypatch, **{**ANN, "sub": ""})
    app = open_page("data", sets[0].study, reader="Mallory")
    assert "does not identify you" in app.error[0].value
    assert "one" not in {one.value for one in app.text}


@pytest.mark.parametrize(
    ("about", "name"),
    [
        (ANN, person(ANN)),
        ({"is_logged_in": False}, "Mallory"),
        ({}, "Mallory"),
    ],
)
def test_the_name_of_a_decision(monkeypatch, about, name):
    import streamlit as st

    from parts.reader import reader_name

    sign_in(monkeypatch, **about)
    monkeypatch.setattr(st, "session_state", {"reader": "Mallory"})
    assert reader_name() == name


def test_who_gives_no_name_has_none_and_never_the_servers_account(monkeypatch):
    import streamlit as st

    from parts.reader import reader_name

    monkeypatch.setattr(st, "session_state", {"reader": ""})
    assert reader_name() == ""


def test_a_damaged_key_is_said_on_the_page(space, sets, open_page):  # noqa: F811
    (space.folder / "secret.key").write_text("")
    app = open_page("data", sets[0].study)
    assert not app.exception
    assert "secret.key is damaged" in app.error[0].value


AUTH = """
[auth]
redirect_uri = "https://cells.example/oauth2callback"
cookie_secret = "0123456789abcdef0123456789abcdef"
client_id = "celltransfer"
client_secret = "secret"
server_metadata_url = "https://login.example/.well-known/openid-configuration"
"""


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Ask what a file of secrets asks for."""
    import streamlit as st
    from streamlit.runtime.secrets import Secrets

    from parts.sign_in import sign_in_asked

    path = tmp_path / "secrets.toml"

    def ask_for(written=None, wanted=""):
        if written is not None:
            path.write_bytes(written if isinstance(written, bytes) else written.encode())
        get_option = st.get_option
        told = {"secrets.files": [str(path)]}
        monkeypatch.setattr(st, "get_option", lambda name: told.get(name) or get_option(name))
        monkeypatch.setattr("streamlit.config.get_option", st.get_option)
        monkeypatch.setattr(st, "secrets", Secrets())
        monkeypatch.setenv("CELLTRANSFER_SIGN_IN", wanted)
        sign_in_asked.cache_clear()
        try:
            return sign_in_asked()
        finally:
            sign_in_asked.cache_clear()

    return ask_for


def test_a_sign_in_is_asked_for_by_a_file_or_by_the_environment(asked, monkeypatch):
    assert asked() is None
    with pytest.raises(SignInError, match="is required, but there is no"):
        asked(wanted="required")
    monkeypatch.setattr("parts.sign_in.is_manually_set", lambda option: option == "secrets.files")
    with pytest.raises(SignInError, match="which does not exist"):
        asked()
    assert asked('key = "of another thing"', "off") is None
    for wanted in ("", "required"):
        sign_in = asked(AUTH, wanted)
        assert (sign_in.host, sign_in.secure) == ("cells.example", True)


@pytest.mark.parametrize(
    ("written", "wanted", "reason"),
    [
        ("", "", r"no section \[auth\], in lower case"),
        ("# not yet", "required", r"no section \[auth\]"),
        (AUTH.replace("[auth]", "[Auth]"), "", r"no section \[auth\]"),
        (AUTH.replace("[auth]", ""), "", r"no section \[auth\]"),
        (AUTH.replace("[auth]", "[auth"), "", "cannot be read"),
        (AUTH.replace('"celltransfer"', "celltransfer"), "", "cannot be read"),
        (b"\xff\xfe", "", "cannot be read"),
        ("auth = true", "", "is not a section"),
        (AUTH.replace("client_id", "client"), "", "lacks client_id"),
        (AUTH.replace('"secret"', '""'), "", "lacks client_secret"),
        (AUTH.replace("89abcdef", ""), "", "shorter than 32 characters"),
        (AUTH.replace("/oauth2callback", "/"), "", "must end with /oauth2callback"),
        (AUTH.replace("https://cells", "http://cells"), "", "redirect_uri .* https://"),
        (AUTH.replace("https://login", "http://login"), "", "server_metadata_url .* https://"),
        (AUTH, "off", "remove one of the two"),
        (AUTH, "yes", "set it to required or off"),
    ],
)
def test_a_sign_in_that_cannot_be_had_is_refused(asked, written, wanted, reason):
    with pytest.raises(SignInError, match=reason):
        asked(written, wanted)


def test_a_page_started_without_the_app_shows_nothing_either(space, sets, open_page, monkeypatch):  # noqa: F811
    from parts.sign_in import sign_in_asked

    monkeypatch.setenv("CELLTRANSFER_SIGN_IN", "required")
    sign_in_asked.cache_clear()
    app = open_page("studies")
    assert "is required, but there is no" in app.error[0].value
    assert not app.button
    assert "one" not in {one.value for one in app.text}


def test_where_a_sign_in_is_missing_the_app_does_not_start(home):
    ended = subprocess.run(
        [sys.executable, "-c", "import app"],
        cwd=PAGES.parent,
        env={**os.environ, "CELLTRANSFER_SIGN_IN": "required"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith(
        "celltransfer: CELLTRANSFER_SIGN_IN is required"
    )

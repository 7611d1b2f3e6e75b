"""Signing in through an OpenID Connect provider, played by a small server of this test."""

import io
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from PIL import Image, ImageDraw
from playwright.sync_api import expect

from celltransfer_core.studies import Workspace, bring_up_to
from celltransfer_core.types import silent
from tests.browser.driving import SOON, free_port, see_whole

WHO = "ann@hospital.example"


@pytest.fixture
def provider():
    """Provider that lets everybody in as one and the same person."""
    key = RSAKey.generate_key(2048, {"kid": "1"})
    asked = {}

    class Answers(BaseHTTPRequestHandler):
        def log_message(self, *arguments):
            """Say nothing."""

        def tell(self, what):
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(what).encode())

        def do_GET(self):
            address = urlsplit(self.path)
            here = f"http://{self.headers['Host']}"
            if address.path == "/.well-known/openid-configuration":
                self.tell(
                    {
                        "issuer": here,
                        "authorization_endpoint": f"{here}/authorize",
                        "token_endpoint": f"{here}/token",
                        "jwks_uri": f"{here}/keys",
                        "id_token_signing_alg_values_supported": ["RS256"],
                    }
                )
            elif address.path == "/keys":
                self.tell({"keys": [key.as_dict(private=False)]})
            else:
                asked.update({name: value[0] for name, value in parse_qs(address.query).items()})
                back = urlencode({"code": "1", "state": asked["state"]})
                self.send_response(302)
                self.send_header("Location", f"{asked['redirect_uri']}?{back}")
                self.end_headers()

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            now = int(time.time())
            claims = {
                "iss": f"http://{self.headers['Host']}",
                "aud": asked["client_id"],
                "nonce": asked["nonce"],
                "sub": "1",
                "email": WHO,
                "email_verified": True,
                "iat": now,
                "exp": now + 600,
            }
            token = jwt.encode({"alg": "RS256", "kid": "1"}, claims, key)
            self.tell({"access_token": "none", "token_type": "Bearer", "id_token": token})

    server = ThreadingHTTPServer(("localhost", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def behind(start_app, provider, tmp_path):
    """The app behind a sign-in, on a study that is filled."""
    port = free_port()
    secrets = tmp_path / "secrets.toml"
    secrets.write_text(
        f"""
        [auth]
        redirect_uri = "http://localhost:{port}/oauth2callback"
        cookie_secret = "a long secret of this test alone, and nobody else's"
        client_id = "celltransfer"
        client_secret = "secret"
        server_metadata_url = "{provider}/.well-known/openid-configuration"
        """
    )
    space = Workspace(tmp_path)
    study = space.create("Not for everybody").id
    reference = [
        (f"{name}/{number}.png", cell(shade + number))
        for name, shade in (("dark", 20), ("light", 180))
        for number in range(12)
    ]
    query = [(f"{number}.png", cell(20 + 7 * number)) for number in range(24)]
    for role, files in (("reference", reference), ("query", query)):
        space.receive(space.add_set(study, role, role).id, files)
    space.change_options(study, encoders=[["colour"]], alignment="none")
    bring_up_to(space, study, "classify", silent)
    return start_app(tmp_path, port, f"--secrets.files={secrets}"), study


def cell(shade):
    file = io.BytesIO()
    image = Image.new("RGB", (32, 32), (230, 220, 225))
    ImageDraw.Draw(image).ellipse((8, 8, 24, 24), (shade, 60, 140))
    image.save(file, "PNG")
    return file.getvalue()


def asked_status(page, address):
    """Ask for an address as a page does, with its cookies."""
    return page.request.get(address).status


def test_decisions_are_of_who_signed_in_until_the_sign_out_ends_all(behind, page):
    app, study = behind
    for address in ("", f"data?study={study}", "studies"):
        page.goto(f"{app.url}/{address}")
        expect(page.get_by_role("button", name="Sign in")).to_be_visible(timeout=SOON)
        expect(page.get_by_text("Not for everybody")).to_have_count(0)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text(f"Signed in as {WHO} (")).to_be_visible(timeout=SOON)
    who = page.get_by_text("Signed in as").inner_text().removeprefix("Signed in as ")

    # A decision, though the browser names somebody else.
    page.context.add_cookies([{"name": "celltransfer_reader", "value": "Mallory", "url": app.url}])
    page.goto(f"{app.url}/matches?study={study}")
    see_whole(page)
    page.get_by_role("button", name=re.compile(r"Confirm (?!several)")).first.click()
    expect(page.get_by_text(re.compile("^1 of .* clusters have an answer"))).to_be_visible(
        timeout=SOON
    )
    (decision,) = app.space.decisions(study, "match")
    assert decision.who == who
    assert WHO in who

    picture = page.locator("img[src*='ct/image']").first.get_attribute("src")
    picture = f"{app.url}/{picture.lstrip('./')}"
    assert asked_status(page, picture) == 200
    cookies = [one for one in page.context.cookies() if one["name"].startswith("_streamlit_user")]
    for cookie in cookies:
        assert cookie["httpOnly"]
        assert cookie["sameSite"] == "Lax"
        assert cookie["expires"] < time.time() + 13 * 3600

    # The sign-out in one tab ends the other, what it shows, and a cookie that somebody kept.
    other = page.context.new_page()
    for tab in (page, other):
        tab.goto(f"{app.url}/data?study={study}")
        see_whole(tab)
        expect(tab.get_by_text("Not for everybody").first).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    for tab in (page, other):
        expect(tab.get_by_role("button", name="Sign in")).to_be_visible(timeout=SOON)
        expect(tab.get_by_text("Not for everybody")).to_have_count(0)
    assert asked_status(page, picture) == 401
    page.context.add_cookies(cookies)
    assert asked_status(page, picture) == 401
    page.goto(f"{app.url}/data?study={study}")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible(timeout=SOON)

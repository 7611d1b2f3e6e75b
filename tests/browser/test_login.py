"""Signing in through an OpenID Connect provider, played by a small server of this test."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from playwright.sync_api import expect

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


def test_only_who_signed_in_sees_studies_and_decides_under_that_name(
    start_app, provider, tmp_path, page
):
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
    app = start_app(tmp_path, port, f"--secrets.files={secrets}")
    study = app.space.create("Not for everybody")
    for address in ("", f"data?study={study.id}", "studies"):
        page.goto(f"{app.url}/{address}")
        expect(page.get_by_role("button", name="Sign in")).to_be_visible(timeout=SOON)
        expect(page.get_by_text("Not for everybody")).to_have_count(0)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text(f"Signed in as {WHO}")).to_be_visible(timeout=SOON)
    page.goto(f"{app.url}/data?study={study.id}")
    see_whole(page)
    expect(page.get_by_text("Not for everybody").first).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible(timeout=SOON)

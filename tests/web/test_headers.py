import pytest
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from celltransfer_core.studies import Workspace
from celltransfer_core.web import SafeHeaders, image_url, inline_scripts
from celltransfer_core.web.headers import harden
from tests.web.asking import ask

ASKED_FOR = (
    "content-security-policy",
    "x-frame-options",
    "x-content-type-options",
    "referrer-policy",
    "permissions-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
)


def greet(request):
    answer = PlainTextResponse("hello")
    answer.set_cookie("_streamlit_user", "x", max_age=2592000, httponly=True, samesite="lax")
    return answer


def visit(url="hello", **options):
    scheme = options.pop("scheme", "http")
    door = [Middleware(SafeHeaders, **options)]
    return ask("GET", url, middleware=door, more=[Route("/hello", greet)], scheme=scheme)


def test_every_answer_carries_the_headers_also_a_refusal(home):
    study = Workspace().create("Cells").id
    for url in (
        "hello",
        "nothing",
        f"ct/image/{study}/0?t=x",
        f"ct/export/{study}/x",
        "ct/files/x",
    ):
        headers = visit(url).headers
        assert [name for name in ASKED_FOR if name not in headers] == [], url


def test_a_route_keeps_its_stricter_policy(space, study, sha256):
    answer = visit(image_url(space, study, sha256, size=20))
    assert answer.status == 200
    assert answer.headers["content-security-policy"] == "default-src 'none'"


def test_pages_load_nothing_from_elsewhere_and_stand_in_no_frame():
    page = "<script>one()</script><script src='a.js'></script>\n<script>two()\n</script>"
    scripts = inline_scripts(page)
    assert len(scripts) == 2
    policy = visit(scripts=scripts).headers["content-security-policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["frame-ancestors"] == rules["object-src"] == "'none'"
    assert rules["default-src"] == rules["connect-src"] == rules["frame-src"] == "'self'"
    assert set(scripts) < set(rules["script-src"].split())
    assert not {"*", "http:", "https:"} & set(policy.replace(";", " ").split())
    assert "'unsafe-inline'" not in rules["script-src"]


@pytest.mark.parametrize(
    ("options", "secure"),
    [({}, False), ({"secure": True}, True), ({"scheme": "https"}, True)],
)
def test_behind_https_cookies_go_over_https_alone(options, secure):
    headers = visit(**options).headers
    attributes = {one.strip().lower() for one in headers["set-cookie"].split(";")}
    assert ("secure" in attributes) == secure
    assert ("strict-transport-security" in headers) == secure
    assert {"httponly", "samesite=lax", "max-age=43200"} < attributes


def test_what_a_cookie_is_keeps_its_value_and_its_end():
    assert harden(b"a=Max-Age=99999999; Path=/", secure=False) == b"a=Max-Age=99999999; Path=/"
    assert harden(b'a=""; Max-Age=0; Secure', secure=True) == b'a=""; Max-Age=0; Secure'

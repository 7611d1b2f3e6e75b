"""Entry point of the app: its pages, its HTTP routes and who may access them."""

import sys
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from streamlit import file_util

from celltransfer_core.errors import CellTransferError
from celltransfer_core.runtime import home
from celltransfer_core.web import (
    Door,
    MeantHosts,
    SafeHeaders,
    SignIns,
    download_routes,
    inline_scripts,
    meant_hosts,
    routes,
    watch_folders,
)

PAGES = Path(__file__).parent / "pages"

# Streamlit adds the folder for each run of a script and removes it afterwards, even while another
# session is importing from it.
sys.path.insert(0, str(PAGES))

from parts.sign_in import COOKIE, claims_of, sign_in_asked  # noqa: E402

base = st.get_option("server.baseUrlPath") or ""


def doors() -> list[Middleware]:
    """List the middleware that a request passes before pages and routes, outermost first."""
    sign_in = sign_in_asked()
    page = Path(file_util.get_static_dir()) / "index.html"
    scripts = inline_scripts(page.read_text(encoding="utf-8"))
    passed = [
        Middleware(SafeHeaders, secure=bool(sign_in and sign_in.secure), scripts=scripts),
        Middleware(MeantHosts, hosts=meant_hosts(*([sign_in.host] if sign_in else []))),
    ]
    if sign_in:
        held = {"read": claims_of, "sign_ins": SignIns(home()), "cookies": COOKIE, "base": base}
        passed.append(Middleware(Door, **held))
    return passed


try:
    app = st.App(
        PAGES / "main.py",
        lifespan=watch_folders,
        routes=[*routes(base), *download_routes(base)],
        middleware=doors(),
    )
except CellTransferError as error:
    print(f"celltransfer: {error}", file=sys.stderr)
    sys.exit(2)

"""All routes, to be mounted alongside the pages."""

from __future__ import annotations

from starlette.routing import Route

from celltransfer_core.web.addresses import mount_point
from celltransfer_core.web.downloads import send_file, show_report
from celltransfer_core.web.handling import guarded, in_thread
from celltransfer_core.web.pictures import send_picture
from celltransfer_core.web.uploads import import_folder, list_or_take_files, take_zip


def routes(base: str = "") -> list[Route]:
    """List the routes of images and uploads.

    Parameters
    ----------
    base : str
        Path under which the app is served, if any (Streamlit's ``server.baseUrlPath``).

    Returns
    -------
    list of Route
        All under ``/ct/``, which Streamlit does not use.
    """
    root = mount_point(base)
    return [
        Route(f"{root}/image/{{study}}/{{sha256}}", in_thread(send_picture), methods=["GET"]),
        Route(f"{root}/files/{{set}}", guarded(list_or_take_files), methods=["GET", "POST"]),
        Route(f"{root}/files/{{set}}/zip", guarded(take_zip), methods=["POST"]),
        Route(f"{root}/files/{{set}}/folder", guarded(import_folder), methods=["POST"]),
    ]


def download_routes(base: str = "") -> list[Route]:
    """List the routes of prepared files.

    Parameters
    ----------
    base : str
        Path under which the app is served, if any.

    Returns
    -------
    list of Route
    """
    root = mount_point(base)
    return [
        Route(f"{root}/export/{{study}}/{{file}}", in_thread(send_file), methods=["GET"]),
        Route(f"{root}/report/{{study}}/{{file}}", in_thread(show_report), methods=["GET"]),
    ]

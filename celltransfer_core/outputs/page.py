"""A self-contained HTML page: text, tables, figures and pictures in one file that loads nothing."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from celltransfer_core.plots.captions import CAPTIONS
from celltransfer_core.plots.colours import NONE_COLOUR

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from celltransfer_core.framing.crops import Crops


_PICTURE = 72  # px

# Nothing is loaded from anywhere. Plotly compiles functions to draw maps, hence unsafe-eval.
_POLICY = (
    "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline' 'unsafe-eval'"
)
_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #15191d; background: #fff;
       max-width: 62rem; margin: 0 auto; padding: 1.5rem; }
h1 { font-size: 1.9rem; margin: 0 0 .2rem; } h2 { font-size: 1.35rem; margin: 2.5rem 0 .6rem; }
.note { background: #fff6dd; border: 1px solid #d9b95c; border-radius: .4rem;
        padding: .6rem .9rem; }
.quiet, figcaption { color: #4a545c; font-size: .9rem; }
figure { margin: 1rem 0 1.6rem; break-inside: avoid; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .35rem .5rem; border-bottom: 1px solid #d5dce2;
         vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
.cells { display: flex; flex-wrap: wrap; gap: 3px; }
.cells img { border-radius: 3px; width: 56px; height: 56px; object-fit: contain; }
.dot { display: inline-block; width: .7em; height: .7em; border-radius: 50%; margin-right: .4em; }
pre { background: #eff3f6; padding: .8rem; overflow: auto; font-size: .8rem; }
.scroll { overflow-x: auto; }
"""


class Page:
    """Collects the parts of a page. Text is escaped; only what is documented as HTML is not.

    Parameters
    ----------
    colours : dict of str to str
        Of types.
    """

    def __init__(self, colours: dict[str, str]) -> None:
        self.colours = colours
        self.parts: list[str] = []
        self.figures = 0

    def add(self, part: str) -> None:
        """Add HTML as it is.

        Parameters
        ----------
        part : str
        """
        self.parts.append(part)

    def heading(self, text: str) -> None:
        """Add a heading.

        Parameters
        ----------
        text : str
        """
        self.add(f"<h2>{html.escape(text)}</h2>")

    def text(self, text: str) -> None:
        """Add a paragraph.

        Parameters
        ----------
        text : str
        """
        self.add(f"<p>{html.escape(text)}</p>")

    def figure(self, kind: str, figure: go.Figure) -> None:
        """Add a figure with the caption of its kind.

        Parameters
        ----------
        kind : str
            Key of :data:`celltransfer_core.plots.captions.CAPTIONS`.
        figure : plotly Figure
        """
        self.figures += 1
        drawn = figure.to_html(
            full_html=False,
            include_plotlyjs=False,
            div_id=f"figure-{self.figures}",
            config={"displaylogo": False, "responsive": True},
        )
        self.add(f"<figure>{drawn}<figcaption>{html.escape(CAPTIONS[kind])}</figcaption>")
        self.add("</figure>")

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Add a table, with columns that look like numbers aligned to the right.

        Parameters
        ----------
        heads : sequence of str, length n
        rows : sequence of sequence of str, length n each
            Cells as HTML.
        """

        def cell(tag: str, text: str, column: int) -> str:
            number = all(row[column][:1].isdigit() or row[column] in "–" for row in rows)
            return f"<{tag}{' class=n' if number else ''}>{text}</{tag}>"

        head = "".join(cell("th", html.escape(name), n) for n, name in enumerate(heads))
        body = "".join(
            "<tr>" + "".join(cell("td", text, n) for n, text in enumerate(row)) + "</tr>"
            for row in rows
        )
        self.add(f"<div class=scroll><table><thead><tr>{head}</tr></thead>{body}</table></div>")

    def chip(self, name: str) -> str:
        """Write a type's name with its colour beside it.

        Parameters
        ----------
        name : str

        Returns
        -------
        str
            HTML.
        """
        shade = self.colours.get(name, NONE_COLOUR)
        return f"<span class=dot style='background:{shade}'></span>{html.escape(name)}"

    def html(self, title: str) -> str:
        """Write the page, which loads nothing from anywhere.

        Parameters
        ----------
        title : str

        Returns
        -------
        str
            HTML.
        """
        from plotly.offline import get_plotlyjs

        return (
            "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
            "<meta name='viewport' content='width=device-width, initial-scale=1'>"
            f"<title>{html.escape(title)} – CellTransfer</title><style>{_STYLE}</style>"
            f"<script>{get_plotlyjs()}</script></head><body>{''.join(self.parts)}</body></html>\n"
        )


def data_uri(crops: Crops, cell: int) -> str:
    """Write a cell's small picture as an address that holds its bytes.

    Parameters
    ----------
    crops : Crops
    cell : int

    Returns
    -------
    str
        Of the ``data:`` scheme.
    """
    from PIL import Image

    image = Image.fromarray(crops[cell])
    image.thumbnail((_PICTURE, _PICTURE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"

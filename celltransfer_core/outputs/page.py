"""A self-contained HTML page: text, tables, figures and pictures in one file."""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from celltransfer_core.plots.captions import caption_of
from celltransfer_core.plots.colours import NONE_COLOUR

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from celltransfer_core.framing.crops import Crops


_PICTURE = 96  # px
_SHEET = 900  # px: height on a printed page for a figure and its caption
_BREADTH = 600  # px of a page for the names of columns: it has 648, and cells may need more
# Followed by anything but more of a name, such as that of the slide 95-8-10.
_NUMBER = re.compile(r"[+−]?\d[\d,]*(\.\d+)?(e[-+−]?\d+)?(?![-\w])")
_LETTER, _GAP = 8, 15  # px: of the name of a column, and around it

# Nothing external is loaded. Plotly compiles functions to draw maps, hence unsafe-eval.
POLICY = (
    "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline' 'unsafe-eval'"
)
"""Content security policy: a page may load only what it contains."""

# As wide as A4 within its margins, so that figures drawn for the screen fit when printed.
_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #15191d; background: #fff;
       max-width: 696px; margin: 0 auto; padding: 1.5rem; }
h1 { font-size: 1.8rem; line-height: 1.2; margin: 0 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.3rem; margin: 2.2rem 0 .6rem; } h3 { font-size: 1.05rem; margin: 1.4rem 0 .4rem; }
.note { background: #fff6dd; border: 1px solid #d9b95c; border-radius: .4rem;
        padding: .6rem .9rem; }
.lead { font-size: 1.1rem; }
.quiet, figcaption { color: #4a545c; font-size: .9rem; }
figure { margin: 1rem 0 1.6rem; break-inside: avoid; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .3rem .45rem; border-bottom: 1px solid #d5dce2;
         vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tr.total td { font-weight: 650; border-top: 2px solid #8b96a1; }
td.same { background: #e3f0f7; font-weight: 650; } td.other { background: #fdeee0; }
.cells { display: flex; flex-wrap: wrap; gap: 3px; }
.cells img { border-radius: 3px; width: 44px; height: 44px; object-fit: contain; }
td .cells { flex-wrap: nowrap; } td .cells img { width: 34px; height: 34px; }
.type { display: inline-block; position: relative; padding-left: 1.1em; }
.dot { position: absolute; left: 0; top: .4em; width: .7em; height: .7em; border-radius: 50%; }
.upright th.n { writing-mode: vertical-rl; transform: rotate(180deg); }
pre { background: #eff3f6; padding: .8rem; overflow: auto; font-size: .8rem; }
.scroll { overflow-x: auto; }
@page { size: A4; margin: 14mm 12mm 16mm; @bottom-right { content: counter(page) " / "
        counter(pages); font: 9pt system-ui, sans-serif; color: #4a545c; } }
@media print {
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { padding: 0; }
  .scroll, pre { overflow: visible; } pre { white-space: pre-wrap; overflow-wrap: anywhere; }
  thead { display: table-header-group; }
  tr, .cells, .note { break-inside: avoid; }
  h1, h2, h3 { break-after: avoid; }
  p { orphans: 3; widows: 3; }
  figure, .scroll { zoom: var(--fit, 1); }
}
"""


class Page:
    """Collects the parts of a page. Text is escaped; only what is documented as HTML is not.

    Parameters
    ----------
    colours : dict of str to str
        Colour of each type.
    original : bool
        Whether cells are shown in the camera's original colours, or as encoders see them.
    """

    def __init__(self, colours: dict[str, str], *, original: bool = True) -> None:
        self.colours = colours
        self.original = original
        self.parts: list[str] = []
        self.figures = 0

    def add(self, part: str) -> None:
        """Add HTML unchanged.

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

    def subheading(self, text: str) -> None:
        """Add a heading within a part.

        Parameters
        ----------
        text : str
        """
        self.add(f"<h3>{html.escape(text)}</h3>")

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
        import plotly.graph_objects as go

        self.figures += 1
        # Tools that select cells work only in the app.
        drawn = go.Figure(figure).update_layout(dragmode=False)
        markup = drawn.to_html(
            full_html=False,
            include_plotlyjs=False,
            div_id=f"figure-{self.figures}",
            config={"displayModeBar": False, "responsive": True},
        )
        fit = min(1.0, _SHEET / (drawn.layout.height or 1))
        caption = html.escape(caption_of(kind, figure))
        self.add(f"<figure style='--fit:{fit:.2f}'>{markup}<figcaption>{caption}</figcaption>")
        self.add("</figure>")

    def table(
        self, heads: Sequence[str], rows: Sequence[Sequence[str]], total: Sequence[str] = ()
    ) -> None:
        """Add a table; columns that look like numbers are aligned to the right.

        Parameters
        ----------
        heads : sequence of str, length n
        rows : sequence of sequence of str, length n each
            Cells as HTML.
        total : sequence of str, length n, optional
            A last row with the totals.
        """
        numbers = [all(_is_number(row[n]) for row in rows) for n in range(len(heads))]

        def cell(tag: str, text: str, column: int) -> str:
            return f"<{tag}{' class=n' if numbers[column] else ''}>{text}</{tag}>"

        head = "".join(cell("th", html.escape(name), n) for n, name in enumerate(heads))
        body = "".join(
            "<tr>" + "".join(cell("td", text, n) for n, text in enumerate(row)) + "</tr>"
            for row in rows
        )
        if total:
            last = "".join(cell("td", text, n) for n, text in enumerate(total))
            body += f"<tr class=total>{last}</tr>"
        look = heads_look(heads, _BREADTH)
        self.add(
            f"<div class=scroll><table{look}><thead><tr>{head}</tr></thead>{body}</table></div>"
        )

    def chip(self, name: str) -> str:
        """Write a type's name next to its colour.

        Parameters
        ----------
        name : str

        Returns
        -------
        str
            HTML.
        """
        shade = self.colours.get(name, NONE_COLOUR)
        dot = f"<span class=dot style='background:{shade}'></span>"
        return f"<span class=type>{dot}{html.escape(name)}</span>"

    def pictures(self, crops: Crops, cells: Sequence[int], title: str) -> str:
        """Write pictures of cells side by side.

        Parameters
        ----------
        crops : Crops
        cells : sequence of int
        title : str
            Description for people who cannot see the pictures.

        Returns
        -------
        str
            HTML.
        """
        alt = html.escape(title, quote=True)
        addresses = (data_uri(crops, cell, original=self.original) for cell in cells)
        tiles = "".join(f'<img src="{address}" alt="{alt}">' for address in addresses)
        return f"<div class=cells>{tiles}</div>"

    def html(self, title: str) -> str:
        """Write the page, which loads no external resources.

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
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
            "<meta name='viewport' content='width=device-width, initial-scale=1'>"
            f"<title>{html.escape(title)} – CellTransfer</title><style>{_STYLE}</style>"
            f"<script>{get_plotlyjs()}</script></head><body>{''.join(self.parts)}</body></html>\n"
        )


def heads_look(heads: Sequence[str], room: int) -> str:
    """Return the class of a table, by which names of numbers stand upright where they are many.

    Parameters
    ----------
    heads : sequence of str
    room : int
        Width for all of them, px.

    Returns
    -------
    str
        Attribute of the element, or empty.
    """
    return " class=upright" if sum(_LETTER * len(name) + _GAP for name in heads) > room else ""


def _is_number(text: str) -> bool:
    return text in "–" or _NUMBER.match(text) is not None


def data_uri(crops: Crops, cell: int, *, original: bool = True) -> str:
    """Write a cell's small picture as a ``data:`` address.

    Parameters
    ----------
    crops : Crops
    cell : int
    original : bool
        In the camera's original colours; otherwise as encoders see the cell. Both show the same
        field of view.

    Returns
    -------
    str
        The address.
    """
    from PIL import Image

    image = Image.fromarray(crops.field(cell) if original else crops[cell])
    image.thumbnail((_PICTURE, _PICTURE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"

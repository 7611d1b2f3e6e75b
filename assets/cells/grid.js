// Thumbnails of cells: a click, Enter or Space picks one, arrows go along.

export default function ({ data, parentElement, setTriggerValue }) {
  let grid = parentElement.querySelector(".grid");
  if (!grid) {
    grid = document.createElement("div");
    grid.className = "grid";
    grid.setAttribute("role", "group");
    parentElement.appendChild(grid);
  }
  grid.setAttribute("aria-label", data.label);
  const ids = data.cells.map((cell) => cell.id).join();
  if (grid.dataset.ids !== ids) {
    grid.dataset.ids = ids;
    grid.replaceChildren(...data.cells.map(tile));
  }
  const at = data.cells.findIndex((cell) => cell.id === data.chosen);
  [...grid.children].forEach((button, number) => {
    button.setAttribute("aria-pressed", String(number === at));
    button.tabIndex = number === Math.max(at, 0) ? 0 : -1;
    button.onclick = () => setTriggerValue("picked", button.dataset.id);
  });
  grid.onkeydown = (event) => {
    const all = [...grid.children];
    const from = all.indexOf(event.target);
    if (from < 0) return;
    const first = all[0].offsetTop;
    const row = all.findIndex((button) => button.offsetTop > first);
    const across = row < 0 ? all.length : row;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const to = all[from + step];
    if (!to) return;
    for (const button of all) button.tabIndex = -1;
    to.tabIndex = 0;
    to.focus();
  };
}

function tile(cell) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.id = cell.id;
  button.title = cell.says;
  button.style.setProperty("--shade", cell.shade);
  button.classList.toggle("flagged", cell.flagged);
  const image = document.createElement("img");
  image.loading = "lazy";
  image.alt = cell.says;
  image.src = cell.url;
  button.append(image);
  return button;
}

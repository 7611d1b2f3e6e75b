// A cell, large: zoom, contrast, scale bar, with and without the outline of its cut.

const MOST = 8;
const kept = { zoom: 1, contrast: 1, x: 0, y: 0 }; // from cell to cell, but for the place

export default function ({ data, parentElement }) {
  parentElement.querySelector(".viewer")?.remove();
  const root = make("div", "viewer");
  const panels = make("div", "panels");
  const panes = data.views.map((view) => pane(view));
  panels.append(...panes.map((one) => one.figure));
  root.append(panels, tools(data, panes, draw));
  parentElement.append(root);
  kept.x = 0;
  kept.y = 0;

  function draw() {
    const reach = 0.5 - 0.5 / kept.zoom; // so that the image never leaves its frame
    kept.x = Math.min(reach, Math.max(-reach, kept.x));
    kept.y = Math.min(reach, Math.max(-reach, kept.y));
    for (const one of panes) {
      const shift = `${100 * kept.x * kept.zoom}%, ${100 * kept.y * kept.zoom}%`;
      one.image.style.transform = `translate(${shift}) scale(${kept.zoom})`;
      one.image.style.filter = `contrast(${kept.contrast})`;
      drawBar(one);
    }
  }
  for (const one of panes) {
    one.image.onload = draw;
    let from = null;
    one.frame.onpointerdown = (event) => {
      from = [event.clientX, event.clientY];
      one.frame.setPointerCapture(event.pointerId);
    };
    one.frame.onpointermove = (event) => {
      if (!from) return;
      kept.x += (event.clientX - from[0]) / one.frame.clientWidth / kept.zoom;
      kept.y += (event.clientY - from[1]) / one.frame.clientWidth / kept.zoom;
      from = [event.clientX, event.clientY];
      draw();
    };
    one.frame.onpointerup = one.frame.onpointercancel = () => (from = null);
  }
  const watch = new ResizeObserver(draw);
  watch.observe(panels);
  draw();
  return () => watch.disconnect();
}

function make(kind, name = "") {
  const element = document.createElement(kind);
  element.className = name;
  return element;
}

function pane(view) {
  const figure = make("figure");
  const frame = make("div", "frame");
  const image = make("img");
  image.alt = view.label;
  image.draggable = false;
  image.src = view.url;
  const bar = make("div", "bar");
  frame.append(image, bar);
  const caption = make("figcaption");
  caption.textContent = view.label;
  figure.append(frame, caption);
  return { view, shown: view, figure, frame, image, bar };
}

// A round length that takes up to a third of the frame.
function drawBar({ shown, frame, image, bar }) {
  bar.hidden = !shown.um || !image.naturalWidth;
  if (bar.hidden) return;
  const visible = shown.um / kept.zoom;
  const most = visible / 3;
  const power = 10 ** Math.floor(Math.log10(most));
  const length = [5, 2, 1].map((n) => n * power).find((n) => n <= most);
  const line = make("i");
  line.style.width = `${(length / visible) * frame.clientWidth}px`;
  bar.replaceChildren(line, `${Number(length.toPrecision(2))} µm`);
}

function tools(data, panes, draw) {
  const bar = make("div", "tools");
  const range = (name, key, from, to) => {
    const label = make("label");
    const input = make("input");
    Object.assign(input, { type: "range", min: from, max: to, step: 0.05, value: kept[key] });
    input.oninput = () => {
      kept[key] = Number(input.value);
      draw();
    };
    label.append(name, input);
    return { label, input };
  };
  const zoom = range("Zoom", "zoom", 1, MOST);
  const contrast = range("Contrast", "contrast", 0.5, 3);
  const reset = make("button");
  reset.type = "button";
  reset.textContent = "Reset";
  reset.onclick = () => {
    Object.assign(kept, { zoom: 1, contrast: 1, x: 0, y: 0 });
    zoom.input.value = 1;
    contrast.input.value = 1;
    draw();
  };
  bar.append(zoom.label, contrast.label, reset);
  const outlined = panes.find((one) => one.view.plain);
  if (outlined) {
    const label = make("label");
    const box = make("input");
    Object.assign(box, { type: "checkbox", checked: true });
    box.onchange = () => {
      outlined.shown = box.checked ? outlined.view : outlined.view.plain;
      outlined.image.src = outlined.shown.url;
    };
    label.append(box, "Show the cut");
    bar.append(label);
  }
  return bar;
}

// A cell, large, in one or two panels that move together: zoom at the pointer, pan, light, contrast.
// All places are in px of the cell's image. At zoom 1 the field that encoders see fills a panel.

const LEAST = 0.2; // zoom; no further out than the whole image
const MOST = 12;
const STEP = 1.25; // of + and -
const SHIFT = 0.12; // of the frame, by an arrow
const NARROW = 0.62; // width by height of a panel: where two would be narrower, one is large
const kept = { zoom: 1, light: 1, contrast: 1, outline: true, panel: 0 }; // from cell to cell
const viewers = new Map(); // by the element that holds one

export default function ({ data, parentElement }) {
  let one = viewers.get(parentElement);
  if (!one) {
    one = new Viewer(parentElement);
    viewers.set(parentElement, one);
  }
  one.take(data);
  return () => {
    viewers.delete(parentElement);
    one.watch.disconnect();
  };
}

class Viewer {
  constructor(parent) {
    this.root = make("div", "viewer");
    this.panels = make("div", "panels");
    this.tools = make("div", "tools");
    this.root.append(this.panels, this.tools);
    parent.append(this.root);
    this.sliders = {
      zoom: this.slider("Zoom", "zoom", Math.log2(LEAST), Math.log2(MOST)),
      light: this.slider("Light", "light", 0.4, 2),
      contrast: this.slider("Contrast", "contrast", 0.4, 3),
    };
    const reset = make("button", "", { type: "button" });
    reset.textContent = "Reset";
    reset.onclick = () => this.reset();
    this.outline = tick("Frame", kept.outline, (on) => {
      kept.outline = on;
      this.draw();
    });
    this.outline.title = "Show the crop that the encoders see";
    this.other = make("button", "other", { type: "button" });
    this.other.onclick = () => {
      kept.panel = 1 - kept.panel;
      this.draw();
    };
    const sliders = make("div", "sliders");
    sliders.append(...Object.values(this.sliders).map((input) => input.parentElement));
    this.tools.append(sliders, this.outline, reset, this.other);
    this.watch = new ResizeObserver(() => this.draw());
    this.watch.observe(this.panels);
    this.ahead = [];
  }

  take(data) {
    const another = data.cell !== this.data?.cell;
    this.data = data;
    this.root.style.height = data.height;
    if (this.panes?.length !== data.views.length) {
      this.panes = data.views.map(() => this.pane());
      this.panels.replaceChildren(...this.panes.map((one) => one.frame));
    }
    this.panes.forEach((one, number) => show(one, data.views[number]));
    if (another) this.centre = middle(data.field);
    this.outline.hidden = !data.framed;
    this.ahead = data.ahead.map((address) => {
      const image = new Image(); // held, so that it is there when its cell comes
      image.src = address;
      return image;
    });
    this.draw();
  }

  reset() {
    Object.assign(kept, { zoom: 1, light: 1, contrast: 1 });
    this.centre = middle(this.data.field);
    this.draw();
  }

  slider(words, key, min, max) {
    const label = make("label");
    const input = make("input", "", { type: "range", min, max, step: 0.05 });
    input.oninput = () => {
      kept[key] = key === "zoom" ? 2 ** Number(input.value) : Number(input.value);
      this.draw();
    };
    label.append(words, input);
    return input;
  }

  pane() {
    const frame = make("div", "frame", { role: "group", tabindex: "0" });
    const image = make("img", "", { draggable: "false" });
    const outline = make("div", "outline");
    const words = make("div", "words");
    const bar = make("div", "bar");
    frame.append(image, outline, words, bar);
    const one = { frame, image, outline, words, bar };
    image.onload = () => {
      image.classList.remove("waits");
      this.draw();
    };
    this.follow(one);
    return one;
  }

  follow(one) {
    const { frame } = one;
    const fingers = new Map();
    const spot = (event) => {
      const { left, top } = frame.getBoundingClientRect();
      return [event.clientX - left, event.clientY - top];
    };
    frame.addEventListener(
      "wheel",
      (event) => {
        const by = Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002));
        event.preventDefault();
        this.zoom(one, by, spot(event));
      },
      { passive: false },
    );
    frame.onpointerdown = (event) => {
      fingers.set(event.pointerId, spot(event));
      frame.setPointerCapture(event.pointerId);
    };
    frame.onpointermove = (event) => {
      const from = fingers.get(event.pointerId);
      if (!from) return;
      const to = spot(event);
      const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
      fingers.set(event.pointerId, to);
      if (!other) return this.pan(one, from[0] - to[0], from[1] - to[1]);
      const apart = (a, b) => Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1]));
      this.zoom(one, apart(to, other) / apart(from, other), other);
    };
    frame.onpointerup = frame.onpointercancel = (event) => fingers.delete(event.pointerId);
    frame.ondblclick = () => this.reset();
    frame.onkeydown = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const [width, height] = [frame.clientWidth * SHIFT, frame.clientHeight * SHIFT];
      const centre = [frame.clientWidth / 2, frame.clientHeight / 2];
      const act = {
        "+": () => this.zoom(one, STEP, centre),
        "=": () => this.zoom(one, STEP, centre),
        "-": () => this.zoom(one, 1 / STEP, centre),
        Home: () => this.reset(),
        ArrowLeft: () => this.pan(one, -width, 0),
        ArrowRight: () => this.pan(one, width, 0),
        ArrowUp: () => this.pan(one, 0, -height),
        ArrowDown: () => this.pan(one, 0, height),
      }[event.key];
      if (!act) return;
      act();
      event.preventDefault();
      event.stopPropagation();
    };
  }

  // px of the page for one px of the image, and the image's point in the middle of the frame.
  place({ frame }) {
    const { field, all } = this.data;
    const [wide, high] = [frame.clientWidth, frame.clientHeight];
    const fit = ([, , width, height]) => Math.min(wide / width, high / height);
    const scale = Math.max(fit(field) * kept.zoom, Math.min(fit(all), fit(field)));
    const within = (at, from, long, room) => {
      if (long * scale <= room) return from + long / 2;
      return Math.min(from + long - room / scale / 2, Math.max(from + room / scale / 2, at));
    };
    const [left, top, width, height] = all;
    const [x, y] = this.centre;
    return {
      scale,
      zoom: scale / fit(field), // which may be more than was asked for
      x: within(x, left, width, wide),
      y: within(y, top, height, high),
    };
  }

  // What lies under the pointer stays there.
  zoom(one, by, [px, py]) {
    const { scale, zoom, x, y } = this.place(one);
    const [right, down] = [px - one.frame.clientWidth / 2, py - one.frame.clientHeight / 2];
    kept.zoom = Math.min(MOST, Math.max(LEAST, zoom * by));
    const after = this.place(one).scale;
    this.centre = [x + right / scale - right / after, y + down / scale - down / after];
    this.draw();
  }

  pan(one, right, down) {
    const { scale, x, y } = this.place(one);
    this.centre = [x + right / scale, y + down / scale];
    this.draw();
  }

  draw() {
    if (!this.panes) return;
    const room = this.panels.clientWidth / 2 >= NARROW * this.panels.clientHeight;
    const shown = room || this.panes.length < 2 ? -1 : kept.panel;
    this.panes.forEach((one, number) => (one.frame.hidden = shown >= 0 && number !== shown));
    this.other.hidden = shown < 0;
    if (shown >= 0) this.other.textContent = this.panes[1 - shown].view.label;
    for (const [key, input] of Object.entries(this.sliders)) {
      input.value = key === "zoom" ? Math.log2(kept.zoom) : kept[key];
      input.setAttribute("aria-valuetext", `${kept[key].toFixed(2)} times`);
    }
    for (const one of this.panes) if (!one.frame.hidden) this.drawPane(one);
  }

  drawPane(one) {
    const { frame, image, outline, view } = one;
    const { scale, x, y } = this.place(one);
    const put = (element, [left, top, width, height]) =>
      Object.assign(element.style, {
        left: `${frame.clientWidth / 2 + (left - x) * scale}px`,
        top: `${frame.clientHeight / 2 + (top - y) * scale}px`,
        width: `${width * scale}px`,
        height: `${height * scale}px`,
      });
    put(image, view.box);
    image.style.filter = `brightness(${kept.light}) contrast(${kept.contrast})`;
    const waits = image.classList.contains("waits");
    outline.hidden = waits || !(view.whole && this.data.framed && kept.outline);
    put(outline, this.data.field);
    drawBar(one, scale / this.data.um);
  }
}

// A new address empties the frame first: no cell is ever shown beside another one's words.
function show(one, view) {
  one.view = view;
  one.words.textContent = view.label;
  one.image.alt = view.label;
  one.frame.setAttribute("aria-label", `${view.label}: + and - zoom, arrows move, Home resets`);
  if (one.image.getAttribute("src") === view.url) return;
  one.image.classList.add("waits");
  one.image.src = view.url;
  if (one.image.complete) one.image.classList.remove("waits");
}

function middle([left, top, width, height]) {
  return [left + width / 2, top + height / 2];
}

// A round length that takes up to a third of the frame.
function drawBar({ frame, bar }, pxOfUm) {
  const most = frame.clientWidth / 3 / pxOfUm;
  bar.hidden = !(most > 0 && most < Infinity); // no scale is known, or the frame has no room yet
  if (bar.hidden) return;
  const power = 10 ** Math.floor(Math.log10(most));
  const length = [5, 2, 1].map((n) => n * power).find((n) => n <= most);
  const line = make("i");
  line.style.width = `${length * pxOfUm}px`;
  bar.replaceChildren(line, `${Number(length.toPrecision(2))} µm`);
}

function tick(words, on, change) {
  const label = make("label");
  const box = make("input", "", { type: "checkbox" });
  box.checked = on;
  box.onchange = () => change(box.checked);
  label.append(box, words);
  return label;
}

function make(kind, name = "", attributes = {}) {
  const element = document.createElement(kind);
  if (name) element.className = name;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

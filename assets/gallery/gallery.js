// Thousands of cells to scroll, pick from and answer for. Uses tiles.js, picks.js and loupe.js.

const DRAGGED = 5; // px that the mouse moves before it draws a frame
const EDGE = 28; // px from the edge of the view where a frame scrolls on
const LOWEST = 160; // px of a gallery that leaves room for what stands below
const SIZES = { min: 48, max: 240, step: 4 }; // px of a tile
const galleries = new Map(); // by the element that holds one
const had = new Set(); // addresses of pictures that were loaded
let active; // the gallery that was used last: keys go there when nothing has the focus

export default function ({ data, parentElement, setTriggerValue }) {
  let one = galleries.get(parentElement);
  if (!one) {
    one = new Gallery(parentElement);
    galleries.set(parentElement, one);
  }
  one.send = (acts) => setTriggerValue("acts", acts);
  one.take(data);
  return () => {
    galleries.delete(parentElement);
    one.end();
  };
}

class Gallery {
  constructor(parent) {
    this.parent = parent;
    this.picks = new Picks();
    this.waiting = []; // what was done and the server does not know yet
    this.root = element("div", "gallery");
    this.head = element("div", "head");
    this.count = element("span", "count");
    this.box = element("div", "box", { role: "listbox", tabindex: "0" });
    this.bar = element("div", "bar", { role: "toolbar", "aria-label": "Answers" });
    this.none = element("p", "none");
    this.none.textContent = "No cells.";
    this.head.append(this.count, this.sizeSlider(), this.loupeSwitch());
    this.root.append(this.head, this.box, this.none, this.bar);
    parent.append(this.root);
    this.loupe = new Loupe(this.root);
    this.tiles = new Tiles(this.box, {
      make: (index) => this.tile(index),
      load: (tile, px) => this.load(tile, px),
      has: (tile, px) => had.has(this.address(tile.index, px)),
    });
    this.frame = element("div", "frame");
    this.tiles.floor.append(this.frame);
    this.listen();
    this.watch = new ResizeObserver(() => this.resized());
    this.watch.observe(this.box);
    this.refit = new ResizeObserver(() => {
      if (this.data?.fit && this.most !== this.highest) this.lay();
    });
    const page = parent.getRootNode().host?.closest("[data-testid=stMain]");
    if (page) for (const one of [page, page.firstElementChild]) this.refit.observe(one);
  }

  end() {
    this.watch.disconnect();
    this.refit.disconnect();
    this.loupe.hide();
    removeEventListener("keydown", this.onkey, true);
    if (active === this) active = undefined;
  }

  // Take what the page shows now.
  take(data) {
    const before = this.data;
    this.data = data;
    this.waiting = this.waiting.filter(([serial]) => serial > data.done);
    this.flagged = new Set(data.flagged);
    this.reviewed = new Set(data.reviewed);
    if (!this.waiting.some(([, what]) => what === "answer")) this.given = new Map();
    this.picks.take(data.cells);
    const stay = before?.cells.some((cell) => this.picks.at.has(cell));
    const led = !stay || before.cursor !== data.cursor;
    if (led) this.cursorTo(data.cursor);
    // Where the page leads, an answer is for the cell that it shows, unless several are picked.
    if (led && data.pick && this.picks.cursor >= 0 && this.picks.picked.size < 2) {
      this.picks.set([data.cursor]);
    }
    if (data.pick && String(before?.picked) !== String(data.picked)) this.picks.set(data.picked);
    this.box.setAttribute("aria-label", data.label);
    this.box.setAttribute("aria-multiselectable", String(data.pick));
    this.none.hidden = data.cells.length > 0;
    this.box.hidden = !data.cells.length;
    if (before && !stay) this.tall = 0;
    this.drawBar();
    this.lay();
    if (!stay) this.box.scrollTop = 0;
    if (led && this.picks.cursor >= 0) this.tiles.reveal(this.picks.cursor);
  }

  cursorTo(cell) {
    this.picks.cursor = this.picks.at.get(cell) ?? -1;
    this.picks.anchor = this.picks.cursor;
  }

  get size() {
    return Number(localStorage.getItem("celltransfer tiles")) || this.data.size;
  }

  lay() {
    const shown = [...this.tiles.shown.values()];
    this.held = new Map(shown.map((tile) => [tile.picture.getAttribute("src"), tile.picture]));
    this.tiles.kept = this.picks.cursor;
    this.tiles.lay(this.data.cells.length, this.size);
    this.held = undefined;
    // Where cells go one by one, what stands below does not move.
    this.most = this.highest;
    this.tall = Math.min(this.most, Math.max(this.tall ?? 0, this.tiles.height));
    this.box.style.height = `${this.tall}px`;
    this.tiles.draw();
    this.mark();
  }

  // With `fit`, the height that leaves the answers in view below all that stands above.
  get highest() {
    if (!this.data.fit) return this.data.height;
    const page = this.parent.getRootNode().host?.closest("[data-testid=stMain]");
    const above = this.box.getBoundingClientRect().top + (page?.scrollTop ?? 0);
    const foot = document.querySelector("[data-testid=stBottom]")?.offsetHeight ?? 0;
    const room = Math.floor(innerHeight - above - this.bar.offsetHeight - foot - 12);
    return Math.min(this.data.height, Math.max(LOWEST, room));
  }

  resized() {
    if (!this.data || this.box.clientWidth === this.width) return this.tiles.draw();
    this.width = this.box.clientWidth;
    const first = Math.round(this.box.scrollTop / this.tiles.row) * this.tiles.columns;
    this.tall = 0;
    this.lay();
    if (first) this.box.scrollTop = this.tiles.place(first).top;
  }

  type(index) {
    return this.given.get(this.data.cells[index]) ?? this.data.names[this.data.of[index]];
  }

  words(index) {
    const cell = this.data.cells[index];
    return [
      this.type(index),
      this.data.notes[index],
      this.flagged.has(cell) && "flagged",
      (this.reviewed.has(cell) || this.given.has(cell)) && "reviewed",
    ]
      .filter(Boolean)
      .join(", ");
  }

  shade(index) {
    const given = this.given.get(this.data.cells[index]);
    const choice = given && this.data.choices.find(([, label]) => label === given);
    return choice?.[3] || this.data.shades[given ? this.data.names.indexOf(given) : this.data.of[index]];
  }

  address(index, px) {
    const number = this.data.numbers ? this.data.numbers[index] : this.data.cells[index];
    return this.data.pictures.replace("{cell}", number).replace("{size}", px);
  }

  tile(index) {
    const cell = this.data.cells[index];
    const tile = TILE.cloneNode(true);
    tile.index = index;
    tile.id = `cell-${index}`;
    tile.ariaPosInSet = index + 1;
    tile.ariaSetSize = this.data.cells.length;
    tile.ariaLabel = this.words(index);
    tile.style.setProperty("--shade", this.shade(index) ?? "#8a8a8a");
    const held = this.held?.get(this.address(index, this.tiles.wanted));
    tile.loaded = held !== undefined;
    tile.picture = tile.firstChild;
    if (held) {
      tile.replaceChild(held, tile.picture);
      tile.picture = held;
    }
    tile.picture.style.height = `${this.tiles.side}px`;
    if (this.flagged.has(cell)) tile.append(mark("flag", "⚑"));
    if (this.reviewed.has(cell) || this.given.has(cell)) tile.append(mark("tick", "✓"));
    if (this.tiles.named) {
      const name = element("span", "name", { "aria-hidden": "true" });
      name.textContent = this.type(index);
      tile.append(name);
    }
    this.markOne(tile);
    return tile;
  }

  load(tile, px) {
    tile.loaded = true;
    tile.picture.src = this.address(tile.index, px);
  }

  // Show what is picked, and where the cursor is.
  mark() {
    for (const tile of this.tiles.shown.values()) this.markOne(tile);
    if (this.picks.cursor >= 0) {
      this.box.setAttribute("aria-activedescendant", `cell-${this.picks.cursor}`);
    } else this.box.removeAttribute("aria-activedescendant");
    const { size } = this.picks.picked;
    const all = this.data.cells.length;
    const cells = `${all.toLocaleString("en")} cell${all === 1 ? "" : "s"}`;
    this.count.textContent = size ? `${cells}, ${size.toLocaleString("en")} picked` : cells;
    this.drawMeant();
  }

  markOne(tile) {
    const { picks } = this;
    tile.ariaSelected = String(picks.picked.has(this.data.cells[tile.index]));
    tile.classList.toggle("cursor", tile.index === picks.cursor);
  }

  moved() {
    this.tiles.kept = this.picks.cursor;
    this.tiles.draw();
    this.mark();
  }

  // Tell the server, and go on telling until it has heard.
  act(what, ...rest) {
    // A clock that was set back must not make it older than what the server has heard.
    const serial = Math.max(Date.now(), (this.serial ?? this.data.done) + 1);
    this.serial = serial;
    if (what === "pick") this.waiting = this.waiting.filter(([, one]) => one !== "pick");
    this.waiting.push([serial, what, ...rest]);
    this.send(this.waiting);
  }

  picked() {
    this.moved();
    if (!this.data.tell) return;
    clearTimeout(this.telling);
    this.telling = setTimeout(() => !this.drawing && this.act("pick", this.picks.list), 150);
  }

  open(index) {
    if (!this.data.open || index < 0) return;
    this.picks.cursor = index;
    this.moved();
    this.act("open", this.data.cells[index]);
  }

  answer([name, label]) {
    const cells = this.picks.meant;
    if (!cells.length) return;
    const one = !this.picks.picked.size;
    clearTimeout(this.telling); // the answer says which cells
    for (const cell of cells) this.given.set(cell, label);
    this.picks.picked.clear();
    if (one && this.picks.cursor + 1 < this.data.cells.length) {
      this.picks.cursor = this.picks.anchor = this.picks.cursor + 1;
      this.tiles.reveal(this.picks.cursor);
    }
    this.redraw(cells);
    this.moved();
    this.act("answer", cells, name);
  }

  redraw(cells) {
    for (const cell of cells) {
      const index = this.picks.at.get(cell);
      const tile = this.tiles.shown.get(index);
      if (!tile) continue;
      tile.remove();
      this.tiles.add(index, this.tiles.floor);
    }
    this.tiles.fill();
  }

  undo() {
    this.given.clear();
    this.act("undo");
    this.lay();
  }

  listen() {
    const { box } = this;
    box.addEventListener("pointerdown", (event) => this.press(event));
    box.addEventListener("dblclick", (event) => {
      if (this.data.pick) this.open(this.under(event));
    });
    box.addEventListener("pointermove", (event) => {
      if (this.drawing) return;
      const index = this.under(event);
      const px = devicePixelRatio > 1.4 ? 640 : 320;
      this.loupe.over(event, index, this.address(index, px), index < 0 ? "" : this.words(index));
    });
    box.addEventListener("pointerleave", () => this.loupe.hide());
    box.addEventListener("load", ({ target }) => had.add(target.getAttribute("src")), true);
    box.addEventListener("error", ({ target }) => target.parentNode.classList.add("gone"), true);
    box.addEventListener("scroll", () => this.loupe.hide(), { passive: true });
    this.root.addEventListener("focusin", () => (active = this));
    box.addEventListener("focus", () => {
      if (this.picks.cursor >= 0 || !this.data.cells.length || this.pressed) return;
      this.picks.cursor = Math.ceil(this.box.scrollTop / this.tiles.row) * this.tiles.columns;
      this.moved();
    });
    this.onkey = (event) => this.key(event);
    addEventListener("keydown", this.onkey, true); // before Streamlit's own keys
  }

  // Where the mouse is, on the floor that tiles lie on.
  spot(event) {
    const { left, top } = this.box.getBoundingClientRect();
    return [
      event.clientX - left - this.box.clientLeft,
      event.clientY - top - this.box.clientTop + this.box.scrollTop,
    ];
  }

  under(event) {
    return this.tiles.indexAt(...this.spot(event));
  }

  press(event) {
    active = this;
    if (event.button !== 0 || event.offsetX > this.box.clientWidth) return;
    this.pressed = true;
    this.loupe.hide();
    const index = this.under(event);
    const from = this.spot(event);
    const more = event.ctrlKey || event.metaKey;
    const touch = event.pointerType === "touch";
    const before = new Set(more || event.shiftKey ? this.picks.picked : []);
    let last = event;
    const follow = (now) => {
      last = now;
      if (touch || !this.data.pick) return;
      const [x, y] = this.spot(now);
      if (!this.drawing && Math.hypot(x - from[0], y - from[1]) < DRAGGED) return;
      if (!this.drawing) {
        this.drawing = true;
        this.box.setPointerCapture(event.pointerId);
        this.roll = setInterval(() => this.scrollOn(last, follow), 16);
      }
      this.drawFrame(from, [x, y], before);
    };
    const stop = (ended) => {
      this.pressed = false;
      this.box.removeEventListener("pointermove", follow);
      this.box.removeEventListener("pointerup", stop);
      this.box.removeEventListener("pointercancel", stop);
      clearInterval(this.roll);
      this.frame.style.display = "none";
      if (this.drawing) {
        this.drawing = false;
        this.picked();
      } else if (ended.type === "pointerup") this.click(index, more, event.shiftKey, touch);
    };
    this.box.addEventListener("pointermove", follow);
    this.box.addEventListener("pointerup", stop);
    this.box.addEventListener("pointercancel", stop);
  }

  click(index, more, range, touch) {
    const { picks, data } = this;
    if (index < 0) {
      if (!picks.picked.size || more || range) return;
      picks.picked.clear();
      return this.picked();
    }
    if (!data.pick) {
      picks.cursor = picks.anchor = index;
      this.moved();
      return this.open(index);
    }
    if (range) picks.range(index, more);
    else if (more || touch) picks.toggle(index);
    else picks.only(index);
    this.picked();
  }

  drawFrame(from, to, before) {
    const [left, top] = [Math.min(from[0], to[0]), Math.min(from[1], to[1])];
    Object.assign(this.frame.style, {
      display: "block",
      transform: `translate(${left}px, ${top}px)`,
      width: `${Math.abs(to[0] - from[0])}px`,
      height: `${Math.abs(to[1] - from[1])}px`,
    });
    const within = this.tiles.within(...from, ...to);
    this.picks.picked = new Set(before);
    for (const index of within) this.picks.picked.add(this.data.cells[index]);
    if (within.length) this.picks.cursor = this.picks.anchor = within.at(-1);
    this.mark();
  }

  scrollOn(last, follow) {
    const { top, bottom } = this.box.getBoundingClientRect();
    const over = Math.max(0, last.clientY - bottom + EDGE) - Math.max(0, top + EDGE - last.clientY);
    if (!over) return;
    this.box.scrollTop += over / 2;
    follow(last);
  }

  // Keys of the gallery with the focus; answers also go to the one used last, for what is picked.
  key(event) {
    if (event.defaultPrevented || typing(event) || !this.data?.cells.length) return;
    const inside = event.composedPath().includes(this.root);
    const undo = event.key.toUpperCase() === this.data.keys.undo;
    const meant = this.picks.picked.size > 0 || undo;
    if (!inside && (this !== active || !meant || inDialog())) return;
    const done = this.letter(event) || (inside && this.move(event));
    if (!done) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  letter(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.key.length !== 1) return false;
    const key = event.key.toUpperCase();
    const choice = this.data.choices.find((one) => one[2] === key);
    if (choice) this.answer(choice);
    else if (key === this.data.keys.undo && this.data.undo) this.undo();
    else if (key === this.data.keys.loupe) this.turnLoupe();
    else return false;
    return true;
  }

  move(event) {
    const { picks, tiles, data } = this;
    const all = data.cells.length;
    const control = event.ctrlKey || event.metaKey;
    const on = event.composedPath()[0];
    if (on !== this.box && on.closest?.("button, input, label")) return false;
    if (event.altKey || event.key === "Tab") return false;
    const { columns } = tiles;
    const step = {
      ArrowRight: 1,
      ArrowLeft: -1,
      ArrowDown: columns,
      ArrowUp: -columns,
      PageDown: columns * tiles.inView,
      PageUp: -columns * tiles.inView,
      Home: -all,
      End: all,
    }[event.key];
    if (step) {
      const from = Math.max(0, picks.cursor);
      const to = Math.abs(step) > 1 && Math.abs(step) <= columns ? from + step : clamp(from + step, all);
      if (to < 0 || to >= all) return true;
      if (event.shiftKey && data.pick) picks.range(to);
      else picks.cursor = picks.anchor = to;
      tiles.kept = to;
      tiles.reveal(to);
      if (event.shiftKey && data.pick) this.picked();
      else this.moved();
      return true;
    }
    if (event.key === "Enter") this.open(picks.cursor);
    else if (!data.pick) return false;
    else if (control && event.key.toLowerCase() === "a") picks.set(data.cells);
    else if (event.key === "Escape" && picks.picked.size) picks.picked.clear();
    else if (event.key === " " && picks.cursor >= 0) picks.toggle(picks.cursor);
    else return false;
    if (event.key !== "Enter") this.picked();
    return true;
  }

  sizeSlider() {
    const label = element("label", "size");
    this.slider = element("input", "", { type: "range", ...SIZES });
    this.slider.oninput = () => {
      localStorage.setItem("celltransfer tiles", this.slider.value);
      const first = Math.floor(this.box.scrollTop / this.tiles.row) * this.tiles.columns;
      this.tall = 0;
      this.lay();
      this.box.scrollTop = first ? this.tiles.place(first).top : 0;
      this.tiles.draw();
    };
    label.append("Size", this.slider);
    return label;
  }

  loupeSwitch() {
    const label = element("label", "");
    this.switch = element("input", "", { type: "checkbox" });
    this.switch.onchange = () => this.turnLoupe();
    label.append(this.switch, "Magnifier");
    return label;
  }

  turnLoupe() {
    this.loupe.on = !this.loupe.on;
    for (const one of galleries.values()) one.switch.checked = this.loupe.on;
  }

  drawBar() {
    const { data } = this;
    this.slider.value = this.size;
    this.switch.checked = this.loupe.on;
    this.bar.hidden = !data.choices.length && !data.undo;
    const drawn = JSON.stringify([data.choices, data.undo]);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    this.meant = element("span", "meant", { "aria-live": "polite" });
    const buttons = data.choices.map((choice) => {
      const [, label, key, shade] = choice;
      const one = button(label, key, () => this.answer(choice));
      if (shade) {
        const dot = element("i", "dot", { "aria-hidden": "true" });
        dot.style.background = shade;
        one.prepend(dot);
      }
      return one;
    });
    this.answers = buttons;
    const undo = data.undo ? [button("Undo", data.keys.undo, () => this.undo())] : [];
    this.bar.replaceChildren(this.meant, ...buttons, ...undo);
  }

  drawMeant() {
    if (!this.meant) return;
    const { size } = this.picks.picked;
    const none = !this.picks.meant.length;
    if (size) this.meant.textContent = `${size.toLocaleString("en")} picked:`;
    else this.meant.textContent = none ? "Select cells, then choose their type:" : "The current cell:";
    for (const one of this.answers) one.disabled = none;
  }
}

function element(kind, name, attributes = {}) {
  const made = document.createElement(kind);
  if (name) made.className = name;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

const TILE = element("div", "tile", { role: "option" });
TILE.append(element("img", "", { alt: "", draggable: "false" }));

function mark(name, sign) {
  const made = element("span", name, { "aria-hidden": "true" });
  made.textContent = sign;
  return made;
}

function button(label, key, act) {
  const made = element("button", "", { type: "button" });
  made.append(label);
  if (key) {
    const shown = element("kbd", "");
    shown.textContent = key;
    made.append(shown);
    made.setAttribute("aria-keyshortcuts", key);
  }
  made.onclick = act;
  return made;
}

function clamp(index, all) {
  return Math.min(all - 1, Math.max(0, index));
}

// Whether a key belongs to a field that is typed into, or to a dialog.
function typing(event) {
  return event.composedPath().some((one) => {
    if (!(one instanceof Element)) return false; // window.matches is the heading of that name
    if (one.matches("input:not([type=checkbox], [type=radio], [type=range])")) return true;
    return one.isContentEditable || one.matches("textarea, select, dialog, [role=dialog]");
  });
}

function inDialog() {
  return document.querySelector("dialog[open], [role=dialog]") !== null;
}

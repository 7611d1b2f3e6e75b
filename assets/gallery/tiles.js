// Tiles in rows that fill the width; only those near the view are in the page.

const GAP = 6; // px between tiles, and around all
const AHEAD = 3; // rows above and below the view
const PASSES = 180; // ms in which the view passes: so fast, pictures wait until it slows
const STILL = 60; // ms without scrolling: it has slowed
const WIDTHS = [96, 168, 320]; // px of pictures that are asked for: few, so that browsers keep them

class Tiles {
  // `make(index)` returns a new tile, `load(tile, px)` shows its picture, and `has(tile, px)` tells
  // whether that was loaded before.
  constructor(box, { make, load, has }) {
    Object.assign(this, { box, make, load, has, count: 0, size: 84, kept: -1, shown: new Map() });
    this.floor = document.createElement("div");
    this.floor.className = "floor";
    this.floor.setAttribute("role", "presentation");
    box.append(this.floor);
    this.at = this.then = 0;
    box.addEventListener("scroll", () => this.later(), { passive: true });
  }

  // Lay out anew; every tile is made anew too, and may take its picture from an old one.
  lay(count, size) {
    const old = this.shown;
    Object.assign(this, { count, size, shown: new Map() });
    this.measure();
    this.draw();
    for (const tile of old.values()) discard(tile);
  }

  measure() {
    const width = this.box.clientWidth - GAP;
    this.columns = Math.max(1, Math.floor(width / (this.size + GAP)));
    this.side = Math.max(16, Math.floor(width / this.columns) - GAP); // they grow to fill the row
    this.named = this.side >= 96; // room for the type's name
    this.row = this.side + 5 + (this.named ? 17 : 0) + GAP;
    this.floor.style.height = `${this.height}px`;
    this.wanted = WIDTHS.find((px) => px >= this.side * devicePixelRatio) ?? WIDTHS.at(-1);
  }

  get height() {
    return Math.ceil(this.count / this.columns) * this.row + GAP;
  }

  get inView() {
    return Math.max(1, Math.floor(this.box.clientHeight / this.row));
  }

  place(index) {
    return {
      left: GAP + (index % this.columns) * (this.side + GAP),
      top: GAP + Math.floor(index / this.columns) * this.row,
    };
  }

  later() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      const top = this.box.scrollTop;
      const now = performance.now();
      const moved = Math.abs(top - this.at) / this.box.clientHeight;
      this.waits = moved > Math.min(100, now - this.then) / PASSES;
      Object.assign(this, { at: top, then: now });
      this.draw();
      clearTimeout(this.timer);
      if (this.waits) this.timer = setTimeout(() => this.still(), STILL);
    });
  }

  draw() {
    if (!this.columns) return;
    const top = this.box.scrollTop;
    const ahead = this.waits ? 0 : AHEAD;
    const first = Math.max(0, Math.floor(top / this.row) - ahead) * this.columns;
    const below = Math.ceil((top + this.box.clientHeight) / this.row) + ahead;
    const end = Math.min(this.count, below * this.columns);
    for (const [index, tile] of this.shown) {
      if ((index < first || index >= end) && index !== this.kept) {
        discard(tile);
        this.shown.delete(index);
      }
    }
    const added = document.createDocumentFragment();
    for (let index = first; index < end; index++) if (!this.shown.has(index)) this.add(index, added);
    if (this.kept >= 0 && this.kept < this.count && !this.shown.has(this.kept)) {
      this.add(this.kept, added);
    }
    this.floor.append(added);
    this.fill();
  }

  add(index, to) {
    const tile = this.make(index);
    const { left, top } = this.place(index);
    tile.style.transform = `translate(${left}px, ${top}px)`;
    tile.style.width = `${this.side}px`;
    tile.style.height = `${this.row - GAP}px`;
    this.shown.set(index, tile);
    to.append(tile);
  }

  still() {
    this.waits = false;
    this.draw();
  }

  // Show pictures, those in view first; while tiles rush by, those alone that the browser has.
  fill() {
    const top = this.box.scrollTop;
    const from = Math.floor(top / this.row) * this.columns;
    const to = Math.ceil((top + this.box.clientHeight) / this.row) * this.columns;
    const rest = [];
    for (const [index, tile] of this.shown) {
      if (tile.loaded || (this.waits && !this.has(tile, this.wanted))) continue;
      if (index >= from && index < to) this.load(tile, this.wanted);
      else rest.push(tile);
    }
    for (const tile of rest) this.load(tile, this.wanted);
  }

  // The index of the tile at a place of the floor; -1 between and beyond tiles.
  indexAt(x, y) {
    const column = Math.floor((x - GAP) / (this.side + GAP));
    const row = Math.floor((y - GAP) / this.row);
    if (column < 0 || column >= this.columns || row < 0) return -1;
    const index = row * this.columns + column;
    const { left, top } = this.place(Math.max(0, index));
    const inside = x - left < this.side && y - top < this.row - GAP;
    return inside && index < this.count ? index : -1;
  }

  // The tiles that a frame touches, given by two corners.
  within(ax, ay, bx, by) {
    const step = this.side + GAP;
    const [left, right] = [Math.min(ax, bx), Math.max(ax, bx)];
    const [top, bottom] = [Math.min(ay, by), Math.max(ay, by)];
    const found = [];
    const firstRow = Math.max(0, Math.ceil((top - GAP - (this.row - GAP)) / this.row));
    const lastRow = Math.floor((bottom - GAP) / this.row);
    const firstColumn = Math.max(0, Math.ceil((left - GAP - this.side) / step));
    const lastColumn = Math.min(this.columns - 1, Math.floor((right - GAP) / step));
    for (let row = firstRow; row <= lastRow; row++) {
      for (let column = firstColumn; column <= lastColumn; column++) {
        const index = row * this.columns + column;
        if (index < this.count) found.push(index);
      }
    }
    return found;
  }

  // Bring a tile into view, wholly, with as little scrolling as will do.
  reveal(index) {
    const { top } = this.place(index);
    const { scrollTop, clientHeight } = this.box;
    if (top - GAP < scrollTop) this.box.scrollTop = top - GAP;
    else if (top + this.row > scrollTop + clientHeight) {
      this.box.scrollTop = top + this.row - clientHeight;
    }
    this.draw();
  }
}

// A picture that nobody sees any more is not waited for.
function discard(tile) {
  if (tile.contains(tile.picture)) tile.picture.removeAttribute("src");
  tile.remove();
}

// What is picked in a gallery, and where the cursor stands: cells, whatever order they stand in.

class Picks {
  constructor() {
    Object.assign(this, { cells: [], at: new Map(), picked: new Set(), cursor: -1, anchor: -1 });
  }

  // Take other cells; those that are gone drop out, and the cursor stays where it stood.
  take(cells) {
    const before = this.cursor < 0 ? undefined : this.cells[this.cursor];
    const held = this.anchor < 0 ? undefined : this.cells[this.anchor];
    const old = this.cursor;
    this.cells = cells;
    this.at = new Map(cells.map((cell, index) => [cell, index]));
    this.picked = new Set([...this.picked].filter((cell) => this.at.has(cell)));
    this.cursor = this.at.get(before) ?? Math.min(old, cells.length - 1);
    this.anchor = this.at.get(held) ?? this.cursor;
  }

  // Picked cells in the order in which they are shown.
  get list() {
    return [...this.picked].sort((a, b) => this.at.get(a) - this.at.get(b));
  }

  // Those that an answer is for.
  get meant() {
    if (this.picked.size) return this.list;
    return this.cursor < 0 ? [] : [this.cells[this.cursor]];
  }

  only(index) {
    this.picked = new Set([this.cells[index]]);
    this.cursor = this.anchor = index;
  }

  toggle(index) {
    const cell = this.cells[index];
    if (!this.picked.delete(cell)) this.picked.add(cell);
    this.cursor = this.anchor = index;
  }

  // From the anchor to here; `more` keeps what else is picked.
  range(index, more = false) {
    if (this.anchor < 0) this.anchor = Math.max(0, this.cursor);
    const [from, to] = [Math.min(this.anchor, index), Math.max(this.anchor, index)];
    const within = this.cells.slice(from, to + 1);
    this.picked = new Set(more ? [...this.picked, ...within] : within);
    this.cursor = index;
  }

  set(cells) {
    this.picked = new Set(cells.filter((cell) => this.at.has(cell)));
  }
}

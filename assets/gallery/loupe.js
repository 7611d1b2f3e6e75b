// A cell at 300 px beside the mouse, after it rests on a tile.

const RESTS = 250; // ms
const LOUPE = 300; // px
const AWAY = 18; // px from the pointer

class Loupe {
  constructor(parent) {
    this.box = document.createElement("div");
    this.box.className = "loupe";
    this.box.popover = "manual"; // above all else, wherever the gallery stands
    this.picture = document.createElement("img");
    this.picture.alt = "";
    this.words = document.createElement("div");
    this.box.append(this.picture, this.words);
    parent.append(this.box);
  }

  get on() {
    return localStorage.getItem("celltransfer loupe") !== "off";
  }

  set on(on) {
    localStorage.setItem("celltransfer loupe", on ? "on" : "off");
    if (!on) this.hide();
  }

  // The mouse is on a cell: show it once it rests there.
  over(event, index, address, words) {
    this.pointer = [event.clientX, event.clientY];
    if (!this.on || index < 0 || event.pointerType === "touch") return this.hide();
    if (index === this.index) return this.open ? this.place() : undefined;
    clearTimeout(this.timer);
    this.index = index;
    this.timer = setTimeout(() => this.show(address, words), this.open ? 60 : RESTS);
  }

  show(address, words) {
    this.picture.src = address;
    this.words.textContent = words;
    if (!this.open) this.box.showPopover();
    this.open = true;
    this.place();
  }

  place() {
    const [x, y] = this.pointer;
    const high = this.box.offsetHeight;
    const left = x + AWAY + LOUPE + 20 > innerWidth ? x - AWAY - LOUPE - 14 : x + AWAY;
    const top = Math.min(Math.max(4, y - high / 2), innerHeight - high - 4);
    this.box.style.left = `${Math.max(4, left)}px`;
    this.box.style.top = `${top}px`;
  }

  hide() {
    clearTimeout(this.timer);
    this.index = undefined;
    if (this.open) this.box.hidePopover();
    this.open = false;
  }
}

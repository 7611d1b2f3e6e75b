// Lists all keys in a dialog, which "?" opens, and sees to it that keys work wherever the focus is:
// a choice made in a list leaves its field, and a button that goes hands its focus on.

const STILL = ["Escape", "Tab", "Enter", " ", "ArrowUp", "ArrowDown", "PageUp", "PageDown", "Home", "End"];
const TEXT = "textarea, select, [contenteditable=true], input:not([type=checkbox], [type=radio], [type=range], [type=button], [type=file])";

let shown = null; // the dialog, and the key that opens it
let last = null; // what had the focus, and the buttons after it
let after = [];

export default function ({ data, parentElement }) {
  if (!shown) listen();
  const open = shown?.dialog.open;
  parentElement.querySelector(".keys")?.remove();
  const root = make("div", "keys");
  const dialog = listed(data);
  const opener = make("button", "opener");
  opener.type = "button";
  opener.append(data.title, make("kbd", "", data.key));
  opener.onclick = () => dialog.showModal();
  root.append(opener, dialog);
  parentElement.append(root);
  shown = { dialog, key: data.key };
  if (open) dialog.showModal();
}

function listen() {
  window.addEventListener("keydown", (event) => pressed(event, shown.dialog, shown.key), true);
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("[role=option]")) leaveOnceClosed(document.activeElement);
  }, true);
  document.addEventListener("focusin", remember);
  document.addEventListener("pointerdown", () => (last = null), true);
  new MutationObserver(handOn).observe(document.body, {
    subtree: true,
    childList: true,
    attributeFilter: ["disabled"],
  });
}

function make(kind, name = "", text = "") {
  const element = document.createElement(kind);
  if (name) element.className = name;
  element.textContent = text;
  return element;
}

function listed(data) {
  const dialog = make("dialog");
  const head = make("h2", "", data.title);
  head.id = "all-keys";
  dialog.setAttribute("aria-labelledby", head.id);
  const close = make("button", "close", "Close");
  close.type = "button";
  close.onclick = () => dialog.close();
  const top = make("div", "top");
  top.append(head, close);
  const pages = make("div", "pages");
  for (const [page, keys] of data.pages) {
    const section = make("section");
    const list = make("dl");
    for (const [key, does] of keys) {
      const term = make("dt");
      term.append(make("kbd", "", key));
      list.append(term, make("dd", "", does));
    }
    section.append(make("h3", "", page), list);
    pages.append(section);
  }
  dialog.append(top, pages);
  dialog.onclick = (event) => {
    if (event.composedPath()[0] === dialog) dialog.close(); // beside the list
  };
  return dialog;
}

function pressed(event, dialog, key) {
  if (dialog.open) {
    if (event.key === key) dialog.close();
    // No answer is given to a cell that the list hides.
    if (event.key === key || !STILL.includes(event.key)) event.preventDefault();
    event.stopImmediatePropagation();
    return;
  }
  const field = event.composedPath()[0];
  const typing = field.matches?.(TEXT);
  if (event.key === key && !typing && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    event.stopImmediatePropagation();
    dialog.showModal();
  } else if (event.key === "Enter" && typing) {
    leaveOnceClosed(field);
  } else if (event.key === "Escape" && typing && field.getAttribute("aria-expanded") !== "true") {
    leave(field);
  }
}

// A field that a choice was made in takes letters as a search: keys of answers would be lost on it.
function leaveOnceClosed(field) {
  setTimeout(() => {
    const still = document.activeElement === field; // and nobody went on meanwhile
    if (still && field.matches("[role=combobox][aria-expanded=false]")) leave(field);
  }, 150);
}

function leave(field) {
  const box = field.closest("[data-testid^=st]");
  field.blur();
  // Its arrow stands last; a button for help may stand first.
  [...(box?.querySelectorAll("button:not(:disabled)") ?? [])].at(-1)?.focus({ preventScroll: true });
}

// The focus of a button that is gone, or can no longer be pressed, goes to the next one.
function remember() {
  const now = document.activeElement;
  if (!now || now === document.body) return;
  const all = [...document.querySelectorAll("[data-testid=stMain] button")];
  const at = all.indexOf(now);
  last = now;
  after = at < 0 ? [] : [...all.slice(at + 1), ...all.slice(0, at).reverse()];
}

function handOn() {
  if (!last || (last.isConnected && !last.disabled)) return;
  if (document.activeElement !== document.body && document.activeElement !== last) return;
  last = null;
  const usable = (button) => button.isConnected && !button.disabled && button.offsetParent;
  after.find(usable)?.focus({ preventScroll: true });
}

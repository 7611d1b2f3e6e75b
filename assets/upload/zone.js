// A zone where a folder or a zip is dropped or chosen. It hands on a function that finds the files.
// On the Start page there is no study yet: what was chosen there waits for the first set that takes it.
// Used by upload.js.

let chosen; // finds the files

function picker(label, properties, take) {
  const input = element("input", { type: "file", hidden: true, multiple: true, ...properties });
  input.addEventListener("change", () => {
    const found = [...input.files].map((file) => ({
      name: file.webkitRelativePath || file.name,
      file,
    }));
    input.value = ""; // the same again must count as a change
    if (found.length) take(async () => found);
  });
  const button = element("button", { type: "button", textContent: label });
  button.addEventListener("click", () => input.click());
  return [button, input];
}

function acceptDrops(zone, take) {
  let inside = 0;
  const mark = () => zone.classList.toggle("over", inside > 0);
  zone.addEventListener("dragenter", (event) => {
    event.preventDefault();
    inside += 1;
    mark();
  });
  zone.addEventListener("dragleave", () => {
    inside -= 1;
    mark();
  });
  zone.addEventListener("dragover", (event) => event.preventDefault());
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    inside = 0;
    mark();
    // Both lists are gone once this handler returns.
    const entries = [...event.dataTransfer.items]
      .filter((item) => item.kind === "file")
      .map((item) => item.webkitGetAsEntry())
      .filter(Boolean);
    const files = [...event.dataTransfer.files].map((file) => ({ name: file.name, file }));
    take(async (upload) => {
      if (!entries.length) return files;
      const found = [];
      for (const entry of entries) await collect(entry, "", found, upload);
      return found;
    });
  });
}

// Returns the zone, its buttons, and the line that says what may be dropped.
function zoneFor(lead, take) {
  const [folder, folderInput] = picker("Choose a folder", { webkitdirectory: true }, take);
  const [zip, zipInput] = picker("Choose a zip", { accept: ".zip", multiple: false }, take);
  const hint = element("p", { className: "hint" });
  const zone = element(
    "div",
    { className: "zone", role: "group" },
    element("p", { className: "lead", textContent: lead }),
    hint,
    element("div", { className: "buttons" }, folder, zip, folderInput, zipInput),
  );
  acceptDrops(zone, take);
  return { zone, hint, buttons: [folder, zip] };
}

// Before there is a study: what is chosen waits, and the page is told to begin one.
class Beginning {
  constructor(root) {
    const { zone, hint, buttons } = zoneFor("Drop your reference here", (find) => {
      chosen = find;
      this.begin();
    });
    [this.zone, this.hint, this.buttons] = [zone, hint, buttons];
    root.append(element("div", { className: "upload" }, zone));
  }

  show(options, begin) {
    this.hint.textContent = options.hint;
    this.zone.setAttribute("aria-label", options.name);
    this.begin = begin;
  }
}

// Sends dropped folders, zips, or a folder on the server to one set of a study.
// Files go in batches, a few at a time; what the server has is not sent again. Where another image or
// table has a name already, nothing is sent until somebody has said what to do. An upload lives
// beside the page: it goes on while other pages of the app are looked at. Uses sha256.js and zone.js.

const IN_FLIGHT = 2;
const TRIES = 5;
const SHOWN_KINDS = 50; // of files that were left out
const SHOWN_NAMES = 5; // of each kind

const uploads = new Map(); // by address of the set

class Stop extends Error {}

class Upload {
  constructor() {
    this.state = "idle"; // looking, comparing, asking, sending, unpacking, done, cancelled, failed
    this.listeners = new Set();
    this.clear();
  }

  clear() {
    this.done = 0;
    this.total = 0;
    this.already = 0;
    this.taken = 0;
    this.said = "";
    this.left = 0;
    this.refused = [];
    this.message = "";
    this.retrying = false;
    this.question = undefined;
    this.began = performance.now();
    this.abort = new AbortController();
  }

  get active() {
    return ["looking", "comparing", "asking", "sending", "unpacking"].includes(this.state);
  }

  tell() {
    for (const listener of this.listeners) listener();
  }

  to(state, message = "") {
    this.state = state;
    this.message = message;
    this.tell();
  }

  refuse(entries) {
    this.refused.push(...entries);
  }

  // Resolves to "both", "replace" or "leave" once somebody has chosen.
  async ask(question) {
    this.question = question;
    this.to("asking");
    try {
      const answer = await new Promise((resolve, reject) => {
        question.answer = resolve;
        this.abort.signal.addEventListener("abort", reject);
      });
      if (answer === "leave") this.left += question.images + question.tables.length;
      return answer;
    } finally {
      this.question = undefined;
    }
  }

  // One thing at a time; whatever goes wrong ends in a sentence.
  async run(access, work) {
    if (this.active) return;
    this.clear();
    this.to("looking");
    remember(access, true);
    try {
      await work();
      remember(access, false);
      this.to("done");
    } catch (error) {
      if (this.abort.signal.aborted) {
        remember(access, false);
        this.to("cancelled");
      } else if (error instanceof Stop) {
        this.to("failed", error.message);
      } else {
        this.to("failed", "The connection was lost. Add the same files again: those already received are not sent twice.");
      }
    }
  }

  cancel() {
    this.abort.abort();
  }
}

// What was under way is remembered over a reload, so that it can be said.
function remember(access, active) {
  try {
    if (active) sessionStorage.setItem(access.url, "active");
    else sessionStorage.removeItem(access.url);
  } catch {
    // private windows may have no storage
  }
}

function wasInterrupted(access) {
  try {
    return sessionStorage.getItem(access.url) === "active";
  } catch {
    return false;
  }
}

// ------------------------------------------------------------------ what was dropped or chosen

async function entriesOf(directory) {
  const reader = directory.createReader();
  const all = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return all;
    all.push(...some);
  }
}

async function collect(entry, path, found, upload) {
  upload.abort.signal.throwIfAborted();
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    found.push({ name: path + entry.name, file });
    if (found.length % 500 === 0) {
      upload.total = found.length;
      upload.tell();
    }
  } else if (!entry.name.startsWith(".")) {
    for (const inner of await entriesOf(entry)) {
      await collect(inner, `${path}${entry.name}/`, found, upload);
    }
  }
}

function lastPart(name) {
  return name.slice(name.lastIndexOf("/") + 1);
}

// Hidden, or what a system keeps beside the files it speaks of. As on the server.
function isOfSystems(name, access) {
  const parts = name.toLowerCase().split("/");
  return parts.some((part) => part.startsWith(".") || access.of_systems.includes(part));
}

function isOfUse(name, access) {
  const last = lastPart(name).toLowerCase();
  return access.tables.includes(last) || access.extensions.some((end) => last.endsWith(end));
}

// The folder that was dropped is no type, unless it holds images only. As on the server.
function wrappingFolder(names, access) {
  const first = new Set(names.map((name) => name.split("/", 1)[0]));
  const inFolders = names.every((name) => name.includes("/"));
  const deep = names.some((name) => name.split("/").length > 2);
  const table = names.some(
    (name) => name.includes("/") && access.tables.includes(lastPart(name).toLowerCase()),
  );
  return first.size === 1 && inFolders && (deep || table) ? `${[...first][0]}/` : "";
}

// ------------------------------------------------------------------ sending

async function answerOf(response) {
  let said = {};
  try {
    said = await response.json();
  } catch {
    // a proxy's own page, not ours
  }
  if (response.ok) return said;
  const reason = said.error || `The server answered ${response.status}.`;
  // What may pass is tried again.
  if ([400, 408, 429, 502, 503, 504].includes(response.status)) throw new Error(reason);
  throw new Stop(reason);
}

async function persist(upload, attempt) {
  for (let tries = 1; ; tries += 1) {
    try {
      const answer = await attempt();
      upload.retrying = false;
      return answer;
    } catch (error) {
      if (error instanceof Stop || upload.abort.signal.aborted || tries === TRIES) throw error;
      upload.retrying = true;
      upload.tell();
      await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** tries));
    }
  }
}

function request(access, upload, options = {}, path = "") {
  return fetch(access.url + path, {
    ...options,
    headers: { [access.header]: access.token },
    signal: upload.abort.signal,
  });
}

function body(files) {
  const list = files.map(({ name, file }) => ({ name, size: file.size }));
  const header = new TextEncoder().encode(JSON.stringify(list));
  const length = new DataView(new ArrayBuffer(4));
  length.setUint32(0, header.length);
  return new Blob([length.buffer, header, ...files.map(({ file }) => file)]);
}

function* batches(files, access) {
  let batch = [];
  let bytes = 0;
  for (const one of files) {
    const full = batch.length === access.batch_files || bytes + one.file.size > access.batch_bytes;
    if (batch.length && full) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(one);
    bytes += one.file.size;
  }
  if (batch.length) yield batch;
}

function isTable(name, access) {
  return access.tables.includes(name.toLowerCase());
}

// The server knows a table by its text, without a byte order mark.
async function contentOf({ name, file }, access) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const marked = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  return sha256(marked && isTable(name, access) ? bytes.subarray(3) : bytes);
}

// Only files whose names the set has are read.
async function compare(upload, access, all, known) {
  const here = ({ name }) => known.get(isTable(name, access) ? name.toLowerCase() : name);
  const taken = all.filter(here);
  const same = new Set();
  const clashing = new Map();
  upload.total = taken.length;
  upload.to("comparing");
  const queue = taken.values();
  const worker = async () => {
    for (const one of queue) {
      upload.abort.signal.throwIfAborted();
      const content = await contentOf(one, access);
      if (content === here(one)) same.add(one);
      else clashing.set(one, content);
      upload.done += 1;
      upload.tell();
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  return { same, clashing };
}

function numbered(name, number) {
  const folder = name.slice(0, name.lastIndexOf("/") + 1);
  const last = lastPart(name);
  const dot = last.lastIndexOf(".");
  return `${folder}${last.slice(0, dot)} (${number})${last.slice(dot)}`;
}

// The same number again where an upload that was broken off goes on.
function freeNumber(clashing, all, known) {
  const coming = new Set(all.map(({ name }) => name));
  for (let number = 2; ; number += 1) {
    const free = [...clashing].every(([{ name }, content]) => {
      const other = numbered(name, number);
      return !coming.has(other) && [undefined, "", content].includes(known.get(other));
    });
    if (free) return number;
  }
}

async function sendFiles(upload, access, found) {
  const all = found.filter(({ name }) => !isOfSystems(name, access));
  const useful = all.filter(({ name }) => isOfUse(name, access));
  const folder = wrappingFolder((useful.length ? useful : all).map(({ name }) => name), access);
  const inside = ({ name }) => (name.startsWith(folder) ? name.slice(folder.length) : name);
  const named = useful.map((one) => ({ name: inside(one), file: one.file }));
  // Their names alone are sent: the server keeps why each is passed over.
  const others = all.filter((one) => !isOfUse(one.name, access));
  const passedOver = others.map((one) => ({ name: inside(one), file: new Blob([]) }));
  const small = named.filter(({ file }) => file.size <= access.file_bytes);
  const large = named.find(({ name, file }) => isTable(name, access) && file.size > access.file_bytes);
  if (large) throw new Stop(`Nothing was added: ${large.name} is over ${access.file_bytes / 1e6} MB.`);
  upload.refuse(
    named
      .filter(({ file }) => file.size > access.file_bytes)
      .map(({ name }) => ({ name, reason: `the file is over ${access.file_bytes / 1e6} MB` })),
  );
  const answer = await persist(upload, async () => answerOf(await request(access, upload)));
  const known = new Map(Object.entries(answer.files));
  const { same, clashing } = await compare(upload, access, small, known);
  let [clash, query] = ["ask", ""];
  if (clashing.size) {
    const names = [...clashing.keys()].map(({ name }) => name).sort();
    const images = names.filter((name) => !isTable(name, access));
    const tables = names.filter((name) => isTable(name, access));
    clash = await upload.ask({ images: images.length, such_as: images.slice(0, 5), tables });
    const renamed = [...clashing].filter(([{ name }]) => !isTable(name, access));
    query = `?clash=${clash}&number=${freeNumber(renamed, small, known)}`;
  }
  const missing = small.filter(
    (one) => !same.has(one) && !(clash === "leave" && clashing.has(one)),
  );
  upload.already = same.size;
  upload.total = same.size + missing.length + passedOver.length;
  upload.done = same.size;
  upload.began = performance.now();
  upload.to("sending");
  const send = async (some) => {
    const queue = batches(some, access);
    const worker = async () => {
      for (const batch of queue) {
        const said = await persist(upload, async () =>
          answerOf(await request(access, upload, { method: "POST", body: body(batch) }, query)),
        );
        upload.done += batch.length;
        upload.taken += said.taken;
        upload.refuse(said.refused);
        upload.tell();
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  };
  const tables = missing.filter(({ name }) => isTable(name, access));
  const images = missing.filter(({ name }) => !isTable(name, access)).concat(passedOver);
  // A table that is joined to the one here follows the images, which have new names.
  for (const some of clash === "both" ? [images, tables] : [tables, images]) await send(some);
}

// The answer comes as events, one a batch that was unpacked or read.
function listen(upload) {
  let read = 0;
  let finished = false;
  let failure = "";
  let question;
  return {
    take(text) {
      for (;;) {
        const end = text.indexOf("\n\n", read);
        if (end < 0) return;
        const step = JSON.parse(text.slice(read, end).replace(/^data: /, ""));
        read = end + 2;
        if (step.error) failure = step.error;
        else if (step.clash) question = step.clash;
        else if (step.finished) {
          finished = true;
          upload.already = step.already;
          upload.said = step.said || "";
        } else if (step.compared) {
          upload.done = step.compared;
          upload.total = step.total;
          upload.state = "comparing";
        } else {
          upload.state = "unpacking";
          upload.done = step.done;
          upload.total = step.total;
          upload.taken += step.taken;
          upload.refuse(step.refused);
        }
        upload.tell();
      }
    },
    // Returns what must be asked before anything is taken, if something must.
    end() {
      if (failure) throw new Stop(failure);
      if (question) return question;
      if (!finished) throw new Error("cut short");
      upload.done = upload.total;
      return undefined;
    },
  };
}

// What the server unpacks or reads is compared there; it is asked again with the answer.
async function untilAnswered(upload, attempt) {
  let question = await attempt("");
  while (question) {
    const answer = await upload.ask(question);
    question = await attempt(`?clash=${answer}`);
  }
}

// Only XMLHttpRequest tells how much of a body has gone out.
function sendZip(upload, access, file, query) {
  if (file.size > access.zip_bytes) {
    throw new Stop(`${file.name} is over ${access.zip_bytes / 1e9} GB; drop the folder itself.`);
  }
  upload.total = file.size;
  upload.done = 0;
  upload.began = performance.now();
  upload.unit = "bytes";
  upload.to("sending");
  return new Promise((resolve, reject) => {
    const events = listen(upload);
    const sender = new XMLHttpRequest();
    sender.open("POST", `${access.url}/zip${query}`);
    sender.setRequestHeader(access.header, access.token);
    sender.upload.onprogress = (event) => {
      upload.done = event.loaded;
      upload.tell();
    };
    sender.upload.onload = () => {
      upload.unit = "files";
      upload.done = 0;
      upload.total = 0;
      upload.began = performance.now();
      upload.to("unpacking");
    };
    sender.onprogress = () => sender.status === 200 && events.take(sender.responseText);
    sender.onload = () => {
      try {
        if (sender.status !== 200) {
          let reason = `The server answered ${sender.status}.`;
          try {
            reason = JSON.parse(sender.responseText).error || reason;
          } catch {
            // a proxy's own page, not ours
          }
          throw new Stop(reason);
        }
        events.take(sender.responseText);
        resolve(events.end());
      } catch (error) {
        reject(error);
      }
    };
    sender.onerror = () => reject(new Error("lost"));
    sender.onabort = () => reject(new Error("cancelled"));
    upload.abort.signal.addEventListener("abort", () => sender.abort());
    sender.send(file);
  });
}

async function importFolder(upload, access, path, query) {
  const response = await request(
    access, upload, { method: "POST", body: JSON.stringify({ path }) }, `/folder${query}`,
  );
  if (!response.ok) {
    const said = await response.json().catch(() => ({}));
    throw new Stop(said.error || `The server answered ${response.status}.`);
  }
  upload.began = performance.now();
  upload.to("unpacking");
  const events = listen(upload);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    text += value;
    events.take(text);
  }
  return events.end();
}

async function send(upload, access, find) {
  upload.unit = "files";
  await upload.run(access, async () => {
    const found = await find();
    const zips = found.filter(({ name }) => name.toLowerCase().endsWith(".zip"));
    for (const { file } of zips) {
      upload.unit = "files";
      await untilAnswered(upload, (query) => sendZip(upload, access, file, query));
    }
    const others = found.filter((one) => !zips.includes(one));
    upload.unit = "files";
    if (others.length || !zips.length) await sendFiles(upload, access, others);
  });
}

// ------------------------------------------------------------------ what is seen

const count = (number) => Math.round(number).toLocaleString("en");
const files = (number) => `${count(number)} ${number === 1 ? "file" : "files"}`;
const megabytes = (bytes) => `${count(bytes / 1e6)} MB`;

function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

function headline(upload) {
  const shown = upload.unit === "bytes" ? megabytes : count;
  const what = upload.unit === "bytes" ? "sent" : "files";
  switch (upload.state) {
    case "looking":
      return upload.total ? `Reading the folder: ${count(upload.total)} files…` : "Reading…";
    case "comparing":
      return `Comparing with the images already here: ${count(upload.done)} of ${files(upload.total)}`;
    case "asking":
      return "Nothing has been added yet. What should be done?";
    case "sending":
      return `${shown(upload.done)} of ${shown(upload.total)} ${what}`;
    case "unpacking":
      return upload.total
        ? `Reading: ${count(upload.done)} of ${count(upload.total)} files`
        : "Reading…";
    case "done":
      if (upload.taken) return `Done: ${files(upload.taken)} taken.`;
      if (upload.left) return "Done: nothing new was added; the existing images are unchanged.";
      if (upload.refused.length) {
        return upload.already
          ? "Nothing new was added: all usable files are here already; the reasons for the others are listed below."
          : "Nothing was added; the reasons are listed below.";
      }
      if (upload.already) return "Nothing new: all its images are here already.";
      return "Nothing was added: there are no files in it.";
    case "cancelled":
      return "Cancelled. The images received so far are kept; add the same folder again to continue.";
    case "failed":
      return upload.message;
    default:
      return "";
  }
}

function details(upload) {
  const parts = [];
  const seconds = (performance.now() - upload.began) / 1000;
  const fresh = upload.done - upload.already;
  if (upload.active && upload.retrying) parts.push("no connection, trying again");
  else if (["sending", "unpacking"].includes(upload.state) && fresh > 0 && seconds > 0.5) {
    const rate = fresh / seconds;
    parts.push(upload.unit === "bytes" ? `${megabytes(rate)}/s` : `${count(rate)} files/s`);
    if (upload.total > upload.done) {
      parts.push(`about ${duration((upload.total - upload.done) / rate)} left`);
    }
  }
  if (upload.already) parts.push(`${count(upload.already)} were here already`);
  if (upload.left) parts.push(`${count(upload.left)} left out, as you chose`);
  if (upload.said) parts.push(upload.said);
  return parts.join(" · ");
}

function whatClashes({ images, such_as: some, tables }, named) {
  const parts = images ? [`${count(images)} ${images === 1 ? "image" : "images"}`] : [];
  const what = [...parts, ...tables].join(" and ");
  const many = images + tables.length > 1;
  const names = named && some.length ? ` (${some.join(", ")}${images > some.length ? ", …" : ""})` : "";
  return many
    ? `${what} have the same names as existing ones but different content${names}.`
    : `${what} has the same name as an existing one but different content${names}.`;
}

// The answers, and what each of them does.
function choices({ images, tables }) {
  const rows = tables.join(" and ");
  const both = [
    images ? "the new images get a number, as in 1 (2).png" : "",
    rows ? `the rows of ${rows} are added${images ? " with the new names" : ""}` : "",
  ];
  const table = rows ? "the new table applies to all images here" : "";
  const image = images ? "the new images get the types that an existing table gives to their names" : "";
  return [
    ["both", "Keep both", both],
    ["replace", "Replace", ["the existing files are removed", table || image]],
    ["leave", "Leave", ["the existing files stay; only files with new names are added"]],
  ].map(([answer, label, does]) => {
    const said = does.filter(Boolean).join("; ");
    return [answer, label, `${said[0].toUpperCase()}${said.slice(1)}.`];
  });
}

// A line for each reason and extension, those of the most files first.
function countedKinds(refused, named) {
  const kinds = new Map();
  for (const { name, reason } of refused) {
    const [extension] = lastPart(name).toLowerCase().match(/\.[a-z0-9]{1,8}$/) || [""];
    const what = extension ? `${extension}: ${reason}` : reason;
    if (!kinds.has(what)) kinds.set(what, []);
    kinds.get(what).push(name);
  }
  return [...kinds]
    .sort(([, some], [, others]) => others.length - some.length)
    .map(([what, names]) => {
      const some = `${names.slice(0, SHOWN_NAMES).join(", ")}${names.length > SHOWN_NAMES ? ", …" : ""}`;
      return `${count(names.length)} ${what}${named ? ` (${some})` : ""}`;
    });
}

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

class View {
  constructor(root) {
    this.root = root;
    this.said = "";
    this.waiting = false;
    this.build();
  }

  build() {
    const take = (find) => {
      const { access, upload } = this;
      if (!this.locked) send(upload, access, () => find(upload));
    };
    const { zone, hint, buttons } = zoneFor("Drop a folder or a zip here", take);
    [this.zone, this.hint, this.buttons, this.add] = [zone, hint, buttons, take];
    this.path = element("input", { type: "text", autocomplete: "off", spellcheck: false });
    this.take = element("button", { type: "submit", textContent: "Import" });
    this.places = element("span", { className: "hint" });
    this.server = element(
      "form",
      { className: "server" },
      element("label", {}, "Folder on the server ", this.path),
      this.take,
      this.places,
    );
    this.server.addEventListener("submit", (event) => {
      event.preventDefault();
      const path = this.path.value;
      if (!path.trim()) return;
      this.upload.unit = "files";
      const { access, upload } = this;
      upload.run(access, () =>
        untilAnswered(upload, (query) => importFolder(upload, access, path, query)),
      );
    });
    this.bar = element("progress", { max: 1 });
    this.headline = element("span", { className: "headline" });
    this.more = element("span", { className: "more" });
    this.stop = element("button", { type: "button", textContent: "Cancel" });
    this.stop.addEventListener("click", () => this.upload.cancel());
    this.progress = element(
      "div",
      { className: "progress" },
      this.bar,
      element("div", { className: "line" }, this.headline, this.more, this.stop),
    );
    this.question = element("div", { className: "question", role: "group" });
    this.summary = element("summary");
    this.list = element("ul");
    this.refused = element("details", {}, this.summary, this.list);
    this.live = element("div", { className: "unseen", role: "status", ariaLive: "polite" });
    this.root.append(
      element(
        "div",
        { className: "upload" },
        this.zone,
        this.server,
        this.question,
        this.progress,
        this.refused,
        this.live,
      ),
    );
  }

  // Returns what ends this showing; a later one may have begun before it is called.
  show(access, options, finished) {
    const showing = Symbol("showing");
    this.showing = showing;
    this.access = access;
    this.locked = options.locked;
    this.finished = finished;
    if (!uploads.has(access.url)) uploads.set(access.url, new Upload());
    const upload = uploads.get(access.url);
    if (upload !== this.upload) {
      if (this.upload) this.upload.listeners.delete(this.listener);
      this.upload = upload;
      this.reported = upload.state;
      this.listener = () => this.soon();
      upload.listeners.add(this.listener);
    }
    this.hint.textContent = options.hint;
    this.apart = options.apart;
    this.named = options.named;
    this.zone.setAttribute("aria-label", `Add images to ${options.name}`);
    this.server.hidden = !options.roots.length;
    this.places.textContent = `Allowed: ${options.roots.join(", ")}`;
    this.draw();
    if (chosen && options.takes && !upload.active) {
      const find = chosen;
      chosen = undefined;
      this.add(find);
    }
    return () => {
      if (this.showing === showing) this.leave();
    };
  }

  // Hundreds of events a second would only be flicker.
  soon() {
    if (this.waiting) return;
    this.waiting = true;
    setTimeout(() => {
      this.waiting = false;
      if (this.upload) this.draw();
    }, 100);
  }

  draw() {
    const { upload } = this;
    const still = !upload.active;
    for (const button of [...this.buttons, this.take, this.path]) {
      button.disabled = this.locked || !still;
    }
    this.zone.classList.toggle("locked", Boolean(this.locked));
    const interrupted = upload.state === "idle" && wasInterrupted(this.access);
    this.progress.hidden = upload.state === "idle" && !interrupted;
    this.progress.classList.toggle("failed", upload.state === "failed");
    this.stop.hidden = still;
    this.bar.hidden = still || upload.state === "asking";
    if (upload.state === "looking" || !upload.total) this.bar.removeAttribute("value");
    else this.bar.value = upload.done / upload.total;
    this.bar.setAttribute("aria-label", "Upload");
    const line = interrupted
      ? "An upload was interrupted. Add the same folder again: images already received are not sent twice."
      : headline(upload);
    this.headline.textContent = line;
    this.more.textContent = interrupted ? "" : details(upload);
    this.drawQuestion();
    this.drawRefused();
    this.say(upload.question ? whatClashes(upload.question, this.named) : line);
    if (still && this.reported !== upload.state) {
      this.reported = upload.state;
      if (upload.state !== "idle") this.finished(upload);
    } else if (!still) this.reported = "";
  }

  drawQuestion() {
    const { question } = this.upload;
    this.question.hidden = !question;
    if (question === this.asked) return;
    this.asked = question;
    if (!question) return;
    const what = whatClashes(question, this.named);
    const lead = element("p", { className: "lead", textContent: what });
    const answers = choices(question).map(([answer, label, does]) => {
      const button = element("button", { type: "button", textContent: label });
      button.addEventListener("click", () => question.answer(answer));
      return element("li", {}, button, element("span", { textContent: does }));
    });
    this.question.setAttribute("aria-label", "Files of the same name");
    this.question.replaceChildren(lead, element("ul", {}, ...answers));
    if (this.apart) this.question.append(element("p", { className: "hint", textContent: this.apart }));
  }

  drawRefused() {
    const { refused } = this.upload;
    this.refused.hidden = !refused.length;
    if (this.listed === refused && this.counted === refused.length) return;
    this.listed = refused; // another upload has another list
    this.counted = refused.length;
    this.summary.textContent = `${files(refused.length)} left out`;
    // Without its table a set has other types, or none: that is said without a click.
    const tables = refused.filter(({ name }) => isTable(lastPart(name), this.access));
    if (tables.length) this.refused.open = true;
    const lines = tables.map(({ name, reason }) => `${name}: ${reason}`);
    const kinds = countedKinds(refused.filter((one) => !tables.includes(one)), this.named);
    lines.push(...kinds.slice(0, SHOWN_KINDS));
    if (kinds.length > SHOWN_KINDS) lines.push(`and ${count(kinds.length - SHOWN_KINDS)} more`);
    this.list.replaceChildren(...lines.map((line) => element("li", { textContent: line })));
  }

  // Read out at each change of state and each tenth of the way, not at each batch.
  say(line) {
    const { upload } = this;
    const tenth = upload.total ? Math.floor((10 * upload.done) / upload.total) : 0;
    const step = `${upload.state} ${upload.active ? tenth : line}`;
    if (step === this.said) return;
    this.said = step;
    this.live.textContent = line;
  }

  leave() {
    this.upload.listeners.delete(this.listener);
    this.upload = undefined;
  }
}

const views = new WeakMap(); // by where they are shown

addEventListener("beforeunload", (event) => {
  if ([...uploads.values()].some((upload) => upload.active)) event.preventDefault();
});

export default function mount({ parentElement, data, setTriggerValue }) {
  const begins = !data.access;
  if (!views.has(parentElement)) {
    views.set(parentElement, new (begins ? Beginning : View)(parentElement));
  }
  const view = views.get(parentElement);
  if (begins) return view.show(data, () => setTriggerValue("begun", true));
  return view.show(data.access, data, (upload) =>
    setTriggerValue("finished", { state: upload.state, files: upload.done }),
  );
}

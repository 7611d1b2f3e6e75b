// Puts the cursor into the first field of the dialog that this stands in, once.

const done = new WeakSet();

export default function ({ parentElement }) {
  if (done.has(parentElement)) return;
  done.add(parentElement);
  const root = parentElement.getRootNode();
  const dialog = (root.host ?? parentElement).closest("[role=dialog]");
  // After the dialog has taken the focus itself.
  setTimeout(() => dialog?.querySelector("input")?.focus(), 150);
}

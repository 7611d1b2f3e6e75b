// Images sorted into folders: their names and hashes are told, the images stay where they are.
// Uses sha256.js.

const IMAGE = /\.(png|jpe?g|tiff?|bmp|webp|gif|jp2|heic|avif|dcm)$/i;

export default function ({ data, parentElement, setStateValue }) {
  if (parentElement.querySelector(".sorted")) return;
  const root = document.createElement("div");
  root.className = "upload sorted";
  const label = document.createElement("label");
  label.textContent = data.label;
  const input = document.createElement("input");
  Object.assign(input, { type: "file", webkitdirectory: true, multiple: true });
  const said = document.createElement("p");
  said.className = "hint";
  said.setAttribute("role", "status");
  label.append(document.createElement("br"), input);
  root.append(label, said);
  parentElement.append(root);
  input.onchange = async () => {
    const files = [...input.files].filter((file) => IMAGE.test(file.name));
    const found = [];
    try {
      for (const file of files) {
        const bytes = new Uint8Array(await file.arrayBuffer());
        found.push([file.webkitRelativePath || file.name, await sha256(bytes)]);
        if (found.length % 50 === 0) said.textContent = `${found.length} of ${files.length} images…`;
      }
    } catch (error) {
      said.textContent = `The folder cannot be read (${error.message}). Choose it again.`;
      return;
    }
    said.textContent = `${found.length} images`;
    setStateValue("images", found);
  };
}

// Gradio gives every control its first value again while the page starts, so nothing can be clicked until it has started.
document.documentElement.classList.add("gdrd-loading");

// Keys: left and right arrow change the resolution; Escape clears the selection.
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable], [role=listbox], [role=tab]");
  const starting = document.documentElement.classList.contains("gdrd-loading");
  if (starting || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") { document.querySelector("#gdrd-clear")?.click(); return; }
  if (typing || (event.key !== "ArrowRight" && event.key !== "ArrowLeft")) return;
  const slider = document.querySelector("#gdrd-resolution input[type=range]");
  if (!slider) return;
  event.preventDefault();
  slider.dispatchEvent(new KeyboardEvent("keydown", { key: event.key }));
});
// A picture from the clipboard goes to a field of files: by Ctrl+V to the first empty one, by a button to its own.
const giveFile = (which, blob) => {
  const field = document.querySelector(`#gdrd-file-${which} input[type=file]`);
  const files = new DataTransfer();
  files.items.add(new File([blob], "pasted.png", { type: blob.type }));
  field.files = files.files;
  field.dispatchEvent(new Event("change", { bubbles: true }));
};
window.gdrdPaste = async (which) => {
  const none = "The clipboard holds no picture that the browser may read. Copy a picture and press Ctrl+V.";
  try {
    for (const item of await navigator.clipboard.read()) {
      const kind = item.types.find((name) => name.startsWith("image/"));
      if (kind) return giveFile(which, await item.getType(kind));
    }
    alert(none);
  } catch { alert(none); }
};
document.addEventListener("paste", (event) => {
  const picture = [...event.clipboardData.files].find((file) => file.type.startsWith("image/"));
  const used = document.querySelector("#gdrd-own-first .gdrd-found");
  if (picture) giveFile(used ? "second" : "first", picture);
});

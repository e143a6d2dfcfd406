// Keys: left and right arrow change the resolution; Escape clears the selection.
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable], [role=listbox], [role=tab], button[data-face]");
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") { document.querySelector("#gdrd-clear")?.click(); return; }
  const move = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
  if (!move || typing || event.key === "ArrowUp" || event.key === "ArrowDown") return;
  const slider = document.querySelector("#gdrd-resolution input[type=range]");
  if (!slider) return;
  event.preventDefault();
  move > 0 ? slider.stepUp() : slider.stepDown();
  slider.dispatchEvent(new Event("input", { bubbles: true }));
  slider.dispatchEvent(new Event("change", { bubbles: true }));
});

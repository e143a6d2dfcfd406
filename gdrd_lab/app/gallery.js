// The faces of the map as a list box: a click or an arrow key chooses a face; Space, or Shift with an arrow, selects.
const faces = () => [...element.querySelectorAll("[data-face]")];
const found = () => faces().filter((face) => !face.hidden);
const isSelected = (face) => face.getAttribute("aria-selected") === "true";
const changed = { selected: 0, chosen: 0 }; // when the user did it here: an answer to an older event does not undo it

const waiting = {};
// A key that is held repeats many times a second: the page hears where it stopped.
const post = (name, what, repeat) => {
  clearTimeout(waiting[name]);
  if (repeat) waiting[name] = setTimeout(() => trigger(name, what), 150);
  else trigger(name, what);
};
const send = (repeat = false) => {
  changed.selected = performance.now();
  const ids = faces().filter(isSelected).map((face) => Number(face.dataset.face));
  post("points", { at: changed.selected, ids }, repeat);
};
const toggle = (face, repeat) => { face.setAttribute("aria-selected", String(!isSelected(face))); send(repeat); };
const choose = (face, repeat) => {
  changed.chosen = performance.now();
  for (const one of faces()) one.setAttribute("aria-current", String(one === face));
  post("face", { at: changed.chosen, id: Number(face.dataset.face) }, repeat);
  stop();
};

const mark = () => {
  const marks = document.querySelector("#gdrd-marks h2")?.dataset;
  if (!marks) return;
  const selected = new Set(marks.selected.split(" "));
  for (const face of faces()) {
    if (marks.selectedAt >= changed.selected) face.setAttribute("aria-selected", String(selected.has(face.dataset.face)));
    if (marks.chosenAt >= changed.chosen) face.setAttribute("aria-current", String(face.dataset.face === marks.chosen));
  }
  stop();
};
// One face can be reached by Tab: the chosen one, or the first that is found.
const stop = () => {
  const all = found();
  const first = all.find((face) => face.getAttribute("aria-current") === "true") || all[0];
  for (const face of faces()) face.tabIndex = face === first ? 0 : -1;
};
// Words are found from their beginning and numbers whole; person_00003/0001 is "person 3 1".
const plain = (text) => " " + text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, " ").replace(/\b0+(?=\d)/g, "").trim();
const search = () => {
  const text = plain(element.querySelector("input").value);
  const wanted = /\d$/.test(text) ? text + " " : text;
  for (const face of faces()) {
    const names = [face.firstChild.alt, face.dataset.person];
    face.hidden = !names.some((name) => (plain(name) + " ").includes(wanted));
  }
  element.querySelector("[role=status]").textContent = text === " " ? "" : `${found().length} of ${faces().length} found`;
  stop();
};
const selectFound = () => {
  if (!found().length) return;
  for (const face of faces()) face.setAttribute("aria-selected", String(!face.hidden));
  send();
};

element.addEventListener("input", search);
element.addEventListener("click", (event) => {
  const face = event.target.closest("[data-face]");
  if (face) (event.ctrlKey || event.metaKey || event.shiftKey ? toggle : choose)(face, false);
  else if (event.target.closest("button")) selectFound();
});
element.addEventListener("keydown", (event) => {
  const move = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  const face = event.target.closest("[data-face]");
  if (event.target.matches("input") && event.key === "Enter") return selectFound();
  if (!face || (!move && event.key !== " ")) return;
  event.preventDefault();
  event.stopPropagation();
  if (!move) return toggle(face, event.repeat);
  const all = found();
  const next = all[(all.indexOf(face) + move + all.length) % all.length];
  next.focus();
  (event.shiftKey ? toggle : choose)(next, event.repeat);
});
const start = () => {
  const node = document.querySelector("#gdrd-marks");
  if (!node) { setTimeout(start, 50); return; }
  new MutationObserver(mark).observe(node, { childList: true, subtree: true, characterData: true, attributes: true });
  mark();
};
watch("value", mark);
start();

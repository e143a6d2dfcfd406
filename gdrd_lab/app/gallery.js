// Faces as buttons: a click or an arrow key chooses one. The focus stays on it when the gallery is drawn again.
const buttons = () => [...element.querySelectorAll("button[data-face]")];
let follow = false;

element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-face]");
  if (button) { follow = true; trigger("face", { id: Number(button.dataset.face) }); }
});
element.addEventListener("keydown", (event) => {
  const move = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  const all = buttons();
  const place = all.indexOf(document.activeElement);
  if (!move || place < 0) return;
  event.preventDefault();
  event.stopPropagation();
  const next = all[(place + move + all.length) % all.length];
  next.focus();
  follow = true;
  trigger("face", { id: Number(next.dataset.face) });
});
watch("value", () => {
  if (!follow) return;
  const pressed = element.querySelector('button[aria-pressed="true"]');
  if (pressed) pressed.focus({ preventScroll: true });
  follow = false;
});

// Shows both faces in turn in one frame. If the user asked for less motion, each press shows the other face instead.
const button = element.querySelector("button");
const frame = element.querySelector(".gdrd-blink");
const still = matchMedia("(prefers-reduced-motion: reduce)");
let timer = 0, turn = 0;

const show = () => {
  const which = ["first", "second"][turn % 2];
  const face = document.querySelector(`#gdrd-own-${which} .gdrd-picture img`);
  if (face) frame.querySelector("img").src = face.src;
  frame.querySelector("p").innerText = `${which} face`;
  turn += 1;
};
const stop = () => { clearInterval(timer); timer = 0; frame.hidden = true; button.setAttribute("aria-pressed", "false"); };

button.addEventListener("click", () => {
  if (timer) { stop(); return; }
  frame.hidden = false;
  show();
  if (still.matches) return;
  timer = setInterval(() => (element.offsetParent ? show() : stop()), 700); // a closed tab stops it
  button.setAttribute("aria-pressed", "true");
});
still.addEventListener("change", stop);

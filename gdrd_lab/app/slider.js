// A logarithmic slider: props.value is the size in pixels. Each arrow key is one step of pixels.
const range = element.querySelector("input[type=range]");
const number = element.querySelector("input[type=number]");
const [low, high, step] = [Number(number.min), Number(number.max), Number(range.dataset.step)];

const show = () => {
  number.value = props.value;
  range.value = Math.log(props.value / low) / Math.log(high / low);
  range.setAttribute("aria-valuetext", props.value + " pixels");
};
const use = (size) => { props.value = Math.min(high, Math.max(low, Math.round(size))); show(); };

range.addEventListener("input", () => use(step * Math.round((low * (high / low) ** range.value) / step)));
range.addEventListener("keydown", (event) => {
  const moves = { ArrowRight: step, ArrowUp: step, ArrowLeft: -step, ArrowDown: -step, Home: -high, End: high };
  if (!(event.key in moves)) return;
  event.preventDefault();
  use(props.value + moves[event.key]);
});
number.addEventListener("change", () => use(Number(number.value)));
for (const mark of element.querySelectorAll("button")) mark.addEventListener("click", () => use(Number(mark.innerText)));
watch("value", show);
show();

// Example pairs as buttons: a click sends "pair" with the numbers of both faces and the resolution.
element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-pair]");
  if (button) trigger("pair", { pair: button.dataset.pair.split(" ") });
});

// Draws props.value, a figure as JSON, with plotly. Sends "points" after a lasso and "face" after a click.
const shown = () => element.querySelector(".gdrd-chart");

const colours = (layout) => {
  const ink = getComputedStyle(element).color;
  const clear = "rgba(0,0,0,0)";
  const axis = { color: ink, gridcolor: "rgba(128,128,128,0.25)", linecolor: ink, zeroline: false };
  const tools = { bgcolor: clear, color: "rgba(128,128,128,0.8)", activecolor: ink };
  const result = { ...layout, modebar: tools, paper_bgcolor: clear, plot_bgcolor: clear, font: { ...(layout.font || {}), color: ink } };
  for (const name of ["xaxis", "yaxis"]) result[name] = { ...axis, ...(layout[name] || {}) };
  return result;
};

const send = (name, data) => trigger(name, { at: performance.now(), ...data });

// The picture of a face beside its point: under the pointer, or where the keyboard is. Nothing if there is no number.
const option = (id) => document.querySelector(`#gdrd-gallery [data-face="${id}"]`);
const peek = (node, number) => {
  const box = element.querySelector(".gdrd-peek");
  const { x, y, customdata, text } = node.data[0];
  const face = option(customdata[number]);
  box.innerHTML = "";
  if (!face) return;
  box.append(face.firstChild.cloneNode(), text[number]);
  const { xaxis, yaxis } = node._fullLayout;
  const [right, down] = [xaxis._offset + xaxis.c2p(x[number]), yaxis._offset + yaxis.c2p(y[number])];
  const left = Math.max(0, Math.min(right + 8, element.clientWidth - box.offsetWidth));
  const top = Math.min(down + 10, element.clientHeight - box.offsetHeight);
  const places = { left, top, "--right": right - left, "--down": down - top }; // the last two: the point in the box
  for (const [name, value] of Object.entries(places)) box.style.setProperty(name, value + "px");
};
// In a map that has the focus, arrows go to the nearest point in their direction.
const steer = (node) => {
  let at = 0;
  const show = () => peek(node, at);
  node.tabIndex = 0;
  node.addEventListener("focus", () => {
    const chosen = document.querySelector("#gdrd-marks h2")?.dataset.chosen;
    at = Math.max(0, node.data[0].customdata.indexOf(Number(chosen)));
    if (node.matches(":focus-visible")) show();
  });
  node.addEventListener("blur", () => peek(node));
  node.addEventListener("keydown", (event) => {
    const { x, y, customdata } = node.data[0];
    const [right, up] = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] || [0, 0];
    if (event.target !== node || !(right || up || event.key === "Enter" || event.key === " ")) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === "Enter") return option(customdata[at])?.click();
    if (event.key === " ") return option(customdata[at])?.dispatchEvent(new KeyboardEvent("keydown", { key: " ", bubbles: true }));
    let best = Infinity;
    const [left, bottom] = [x[at], y[at]];
    x.forEach((place, k) => {
      const [dx, dy] = [place - left, y[k] - bottom];
      const along = dx * right + dy * up;
      const far = along + 2 * Math.abs(dx * up + dy * right);
      if (along > 0 && far < best) [best, at] = [far, k];
    });
    show();
  });
};

const draw = () => {
  const node = shown();
  if (!node || !props.value) return;
  if (!window.Plotly) { setTimeout(draw, 50); return; }
  const figure = JSON.parse(props.value);
  node.setAttribute("aria-label", figure.description);
  const map = Boolean(figure.data[0].customdata);
  const options = {
    displaylogo: false, responsive: true, showSendToCloud: false, displayModeBar: map,
    modeBarButtonsToRemove: ["toImage", "autoScale2d"], scrollZoom: false,
  };
  // A new drawing removes the outline of the lasso and keeps the selected points.
  figure.layout.selections = [];
  // A finger scrolls the page; a map has a button for its lasso.
  if (!map || matchMedia("(pointer: coarse)").matches) figure.layout.dragmode = false;
  node.setAttribute("role", map ? "group" : "img"); // a map has buttons inside
  if (map) Object.assign(figure.data[0], { hoverinfo: "none", hovertemplate: null });
  Plotly.react(node, figure.data, colours(figure.layout), options);
  // Plotly names hatching and clip paths by the address of the page, which changes with the view: they would vanish.
  if (node._context._baseUrl) { node._context._baseUrl = ""; Plotly.redraw(node); }
  if (!map || node.dataset.listens) return;
  node.dataset.listens = "yes";
  const faces = (points) => points.filter((p) => p.curveNumber === 0).map((p) => p.customdata);
  node.on("plotly_selected", (event) => { if (event && event.points.length) send("points", { ids: faces(event.points) }); });
  node.on("plotly_hover", (event) => peek(node, event.points.find((point) => point.curveNumber === 0)?.pointNumber));
  node.on("plotly_unhover", () => peek(node));
  steer(node);
  node.on("plotly_click", (event) => {
    const ids = faces(event.points);
    if (ids.length) send("face", { id: ids[0] });
  });
};

watch("value", draw);
draw();
// A chart in a closed tab has no width until the tab opens. The colours follow the light or dark theme.
new ResizeObserver(() => { const node = shown(); if (node && node.data && node.offsetWidth) Plotly.Plots.resize(node); }).observe(element);
new MutationObserver(draw).observe(document.body, { attributes: true, attributeFilter: ["class"] });

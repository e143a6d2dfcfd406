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
  Plotly.react(node, figure.data, colours(figure.layout), options);
  // Plotly names hatching and clip paths by the address of the page, which changes with the view: they would vanish.
  if (node._context._baseUrl) { node._context._baseUrl = ""; Plotly.redraw(node); }
  if (!map || node.dataset.listens) return;
  node.dataset.listens = "yes";
  const faces = (points) => points.filter((p) => p.curveNumber === 0).map((p) => p.customdata);
  node.on("plotly_selected", (event) => { if (event && event.points.length) trigger("points", { ids: faces(event.points) }); });
  node.on("plotly_click", (event) => {
    const ids = faces(event.points);
    if (ids.length) trigger("face", { id: ids[0] });
  });
};

watch("value", draw);
draw();
// A chart in a closed tab has no width until the tab opens. The colours follow the light or dark theme.
new ResizeObserver(() => { const node = shown(); if (node && node.data && node.offsetWidth) Plotly.Plots.resize(node); }).observe(element);
new MutationObserver(draw).observe(document.body, { attributes: true, attributeFilter: ["class"] });

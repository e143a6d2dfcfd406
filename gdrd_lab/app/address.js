// The address bar follows the view, so that a copied address opens it again.
watch("value", () => {
  const view = new URLSearchParams(props.value).get("view");
  const address = new URL(location);
  view ? address.searchParams.set("view", view) : address.searchParams.delete("view");
  history.replaceState(history.state, "", address);
});

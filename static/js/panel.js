// The side panel: one at a time; Escape closes it, and focus goes back to where it came from.

let origin = null;
const panel = () => document.getElementById("panel");

/** Show nodes in the side panel. */
export function openPanel(...nodes) {
  if (panel().hidden) origin = document.activeElement;
  panel().replaceChildren(...nodes.filter(Boolean));
  panel().hidden = false;
  panel().querySelector("button")?.focus({ preventScroll: true });
}

/** Close the side panel. */
export function closePanel() {
  if (panel().hidden) return;
  if (origin?.isConnected) origin.focus({ preventScroll: true });
  origin = null;
  panel().hidden = true;
  panel().replaceChildren();
}

addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.defaultPrevented && !document.querySelector("dialog[open]")) closePanel();
});

// Short notes at the bottom of the page, with one thing to do where there is one.

import { el } from "./dom.js";

const SHOWN_MS = 5000;

/** Show `text`; `action` {label, run} adds a button. Returns a function that takes the note away. */
export function toast(text, { action = null, milliseconds = SHOWN_MS } = {}) {
  const note = el("div", { class: "toast" }, el("span", {}, text));
  const timer = setTimeout(() => note.remove(), milliseconds);
  const leave = () => {
    clearTimeout(timer);
    note.remove();
  };
  if (action) {
    note.append(el("button", { type: "button", on: { click: () => { leave(); action.run(); } } }, action.label));
  }
  document.getElementById("toasts").append(note);
  return leave;
}

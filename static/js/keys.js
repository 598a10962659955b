// Keyboard shortcuts of the whole page, and the list of them.

import { showDialog } from "./dialog.js";
import { el } from "./dom.js";
import { gettext } from "./i18n.js";

/** Listen for the shortcuts; `acts`: `newChat()`, `search()`. */
export function listenForKeys(acts) {
  addEventListener("keydown", (event) => {
    const control = event.ctrlKey || event.metaKey;
    const letter = event.key.toLowerCase();
    if (control && event.shiftKey && letter === "o") run(event, acts.newChat);
    else if (control && !event.shiftKey && letter === "k") run(event, acts.search);
    else if (event.key === "?" && !writing(event.target)) run(event, showKeys);
  });
}

function run(event, act) {
  event.preventDefault();
  act();
}

const writing = (target) => target.closest?.("input, textarea, select, [contenteditable]");

/** Show the shortcuts. */
export function showKeys() {
  if (document.querySelector("dialog[open]")) return;
  const rows = [
    [gettext("New chat"), "Ctrl+Shift+O"],
    [gettext("Search conversations"), "Ctrl+K"],
    [gettext("Send"), "Enter"],
    [gettext("New line"), "Shift+Enter"],
    [gettext("Close what is open"), "Esc"],
    [gettext("This list"), "?"],
  ];
  showDialog({
    title: gettext("Keyboard shortcuts"),
    body: [el("dl", { class: "facts" }, rows.flatMap(([name, keys]) => [el("dt", {}, name), el("dd", {}, el("span", { class: "kbd" }, keys))]))],
  });
}

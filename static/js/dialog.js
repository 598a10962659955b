// Dialogs: the browser's own <dialog>, so focus, Escape and the background are its business.

import { button, el, iconButton } from "./dom.js";
import { gettext } from "./i18n.js";

/** Show a dialog; `body` nodes, `foot` buttons. Resolves when it closes. */
export function showDialog({ title, body, foot = [], onSubmit = null }) {
  const close = () => dialog.close();
  const form = el(
    "form",
    { method: "dialog", novalidate: !onSubmit },
    el("div", { class: "dialog-head" }, el("h2", { id: "dialog-title" }, title), iconButton("close", gettext("Close"), close)),
    el("div", { class: "dialog-body" }, body),
    foot.length ? el("div", { class: "dialog-foot" }, foot) : null,
  );
  const dialog = el("dialog", { class: "dialog scroll", "aria-labelledby": "dialog-title" }, form);
  if (onSubmit) form.addEventListener("submit", (event) => { event.preventDefault(); onSubmit(dialog); });
  dialog.addEventListener("pointerdown", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => { dialog.remove(); resolve(dialog.returnValue); }));
}

/** Ask before something that cannot be undone. */
export async function confirmDanger(title, text, label) {
  let agreed = false;
  const yes = button(label, (event) => { agreed = true; event.target.closest("dialog").close(); }, { class: "button-danger" });
  const no = button(gettext("Cancel"), (event) => event.target.closest("dialog").close(), { autofocus: true });
  await showDialog({ title, body: [el("p", {}, text)], foot: [no, yes] });
  return agreed;
}

/** A labelled field for a dialog or a form. */
export function field(label, control, hint = "") {
  control.id ||= `field-${Math.random().toString(36).slice(2)}`;
  return el("div", { class: "field" }, el("label", { for: control.id }, label), control, hint ? el("p", { class: "hint" }, hint) : null);
}

/** A place for an error inside a form: `show("")` hides it. */
export function errorLine() {
  const line = el("p", { class: "notice notice-danger", role: "alert", hidden: true });
  return { line, show: (text) => { line.textContent = text; line.hidden = !text; } };
}

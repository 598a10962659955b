// One question as it stands in the thread: text, copy, edit, branches.

import { branchSwitch } from "./branches.js";
import { copyText } from "./clipboard.js";
import { button, el, iconButton } from "./dom.js";
import { gettext } from "./i18n.js";
import { toast } from "./toast.js";

/** Shows a question; `acts`: `choose(id)`, `edit(message, text)`. */
export class QuestionView {
  constructor(acts) {
    this.acts = acts;
    this.root = el("article", { class: "message question", "aria-label": gettext("Your question") });
  }

  /** Draw the message with its place among its siblings. */
  show(entry) {
    const { message } = entry;
    const drawn = JSON.stringify([message.id, message.content, message.sending, entry.siblings, entry.index]);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    this.root.dataset.state = message.sending ? "sending" : "sent";
    const branches = branchSwitch(entry, this.acts.choose);
    const actions = message.sending ? null : el(
      "div",
      { class: "actions", data: branches ? { branches: "" } : {} },
      iconButton("copy", gettext("Copy"), () => this.#copy(message), { class: "icon-button-small" }),
      iconButton("edit", gettext("Edit and ask again"), () => this.#edit(message), { class: "icon-button-small" }),
      branches,
    );
    this.root.replaceChildren(el("div", { class: "bubble" }, message.content), ...(actions ? [actions] : []));
  }

  async #copy(message) {
    toast((await copyText(message.content)) ? gettext("Copied") : gettext("The browser did not allow copying."));
  }

  #edit(message) {
    const area = el("textarea", { class: "input", "aria-label": gettext("Your question") });
    area.value = message.content;
    const leave = () => { this.drawn = null; this.acts.redraw(); };
    const ask = () => {
      const text = area.value.trim();
      if (!text) return;
      leave();
      if (text !== message.content) this.acts.edit(message, text);
    };
    area.addEventListener("keydown", (event) => {
      if (event.key === "Escape") { event.preventDefault(); leave(); }
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); ask(); }
    });
    this.root.replaceChildren(el(
      "div",
      { class: "edit" },
      area,
      el("div", {}, button(gettext("Cancel"), leave), button(gettext("Ask"), ask, { class: "button-primary" })),
    ));
    area.focus();
  }
}

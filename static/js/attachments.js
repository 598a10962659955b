// Documents attached to a question: they go into one's own knowledge base and are asked from then on.

import { post } from "./api.js";
import { errorText, follow, stateText } from "./documents.js";
import { el, find, iconButton } from "./dom.js";
import { dropZone } from "./drop.js";
import { gettext } from "./i18n.js";
import { upload } from "./upload.js";

/** Attach files in the composer; `included(base)` is told which base now holds them. */
export class Attachments {
  #base = null;

  constructor(form, { limits, bases }, included) {
    Object.assign(this, { limits, bases, included });
    this.list = find(".attachments", form);
    this.input = find("input[type=file]", form);
    find("[data-action=attach]", form).addEventListener("click", () => this.input.click());
    this.input.addEventListener("change", () => { this.add([...this.input.files]); this.input.value = ""; });
    dropZone(form, (files) => this.add(files));
  }

  /** Upload files, one after the other. */
  async add(files) {
    const cards = files.map((file) => this.#card(file));
    for (const card of cards) await this.#send(card);
  }

  /** Take away the cards of documents that are ready. */
  clearDone() {
    for (const card of this.list.querySelectorAll('[data-state="ready"]')) card.remove();
  }

  #card(file) {
    const bar = el("span");
    const state = el("span", {}, gettext("Waiting"));
    const node = el("div", { class: "attachment", role: "status" },
      el("b", { title: file.name }, file.name), state, el("div", { class: "progress" }, bar));
    this.list.append(node);
    return { file, node, bar, state };
  }

  async #send(card) {
    try {
      if (this.limits.bytes && card.file.size > this.limits.bytes) throw new Error(this.limits.text);
      const base = await this.#ownBase();
      card.state.textContent = gettext("Uploading");
      const document = await upload(base.id, card.file, (percent) => { card.bar.style.width = `${percent / 2}%`; });
      this.included(base);
      await follow(document.id, (now) => this.#draw(card, now));
    } catch (error) {
      this.#fail(card, error.message);
    }
  }

  #draw(card, document) {
    card.state.textContent = errorText(document) || stateText(document);
    card.bar.style.width = document.status === "ready" ? "100%" : `${50 + (document.progress ?? 0) / 2}%`;
    card.node.dataset.state = document.status;
    if (document.status === "failed") this.#fail(card, errorText(document) || stateText(document));
  }

  #fail(card, text) {
    card.node.dataset.state = "failed";
    card.node.replaceChildren(el("b", {}, card.file.name), el("span", {}, text),
      iconButton("close", gettext("Dismiss"), () => card.node.remove(), { class: "icon-button-small" }));
  }

  /** The base for attachments: one's own private one of that name, made when it is first needed. */
  async #ownBase() {
    const name = gettext("My documents");
    this.#base ??= this.bases.find((base) => base.mine && base.visibility === "private" && base.name === name);
    this.#base ??= { ...(await post("knowledge-bases/", { name, visibility: "private" })), documents: 0, mine: true };
    return this.#base;
  }
}

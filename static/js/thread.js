// The scrolling column of messages: draws the shown branch, follows the text while the reader is at its end.

import { el } from "./dom.js";
import { late } from "./markdown.js";
import { QuestionView } from "./question-view.js";
import { Reply } from "./replies.js";
import { ReplyView } from "./reply-view.js";

const NEAR_PX = 80;

/** Shows a message tree; `acts` are handed to the views. */
export class Thread {
  #views = new Map();
  #following = true;

  constructor(scroller, jump, acts) {
    Object.assign(this, { scroller, jump, acts: { ...acts, drawn: () => this.#follow() } });
    this.inner = el("div", { class: "thread-inner" });
    scroller.addEventListener("scroll", () => this.#look(), { passive: true });
    jump.addEventListener("click", () => this.toEnd({ smooth: true }));
    late.addEventListener("ready", () => this.#views.forEach((view) => view.redraw?.()));
    new ResizeObserver(() => this.#follow()).observe(scroller);
  }

  /** Forget what is shown. */
  clear() {
    this.#views.clear();
    this.inner.replaceChildren();
    this.#following = true;
    this.jump.hidden = true;
  }

  /** Draw the shown branch of `tree`; `replies` are the states of replies by id. */
  draw(tree, replies) {
    const shown = tree.path().map((entry) => this.#view(entry, replies));
    shown.forEach((node, at) => {
      if (this.inner.children[at] !== node) this.inner.insertBefore(node, this.inner.children[at] ?? null);
    });
    while (this.inner.children.length > shown.length) this.inner.lastElementChild.remove();
    if (this.scroller.firstElementChild !== this.inner) this.scroller.replaceChildren(this.inner);
    this.#follow();
  }

  /** Draw one reply again. */
  refresh(id) {
    this.#views.get(id)?.refresh();
  }

  /** The server has named a question: keep its node. */
  rename(oldId, newId) {
    const view = this.#views.get(oldId);
    if (view) this.#views.set(newId, view);
    this.#views.delete(oldId);
  }

  /** Go to the end, and follow the text from there. */
  toEnd({ smooth = false } = {}) {
    this.#following = true;
    this.jump.hidden = true;
    this.scroller.scrollTo({ top: this.scroller.scrollHeight, behavior: smooth ? "smooth" : "instant" });
  }

  #view(entry, replies) {
    const { message } = entry;
    let view = this.#views.get(message.id);
    if (!view && message.role === "user") view = new QuestionView(this.acts);
    if (!view) view = new ReplyView(replies.get(message.id) ?? Reply.fromMessage(message), this.acts);
    this.#views.set(message.id, view);
    view.show(entry);
    return view.root;
  }

  #look() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const near = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    this.#following = near;
    this.jump.hidden = near || !this.inner.isConnected;
  }

  #follow() {
    if (this.#following) this.scroller.scrollTop = this.scroller.scrollHeight;
    else this.#look();
  }
}

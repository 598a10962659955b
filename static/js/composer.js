// Where questions are written: grows with the text, Enter sends, keeps drafts, counts down after a 429.

import { Attachments } from "./attachments.js";
import { el, find, icon } from "./dom.js";
import * as drafts from "./drafts.js";
import { fill, gettext } from "./i18n.js";
import { BasePicker } from "./picker.js";

/** The composer in `form`; `acts`: `send(text)`, `stop()`. */
export class Composer {
  #conversation = null;
  #countdown = null;

  constructor(form, { bases, limits }, acts) {
    Object.assign(this, { form, acts, generating: false });
    this.area = find("textarea", form);
    this.sendButton = find(".send", form);
    this.note = find("#composer-note");
    this.picker = new BasePicker(find(".base-picker", form), bases, (chosen) => this.acts.choose(chosen));
    this.attachments = new Attachments(form, { limits, bases }, (base) => this.picker.include(base));
    this.#listen();
    this.#grow();
    // Until now an Enter would have been a line break, and the text replaced by the draft.
    this.area.readOnly = false;
  }

  /** Turn to another conversation and its draft. */
  turnTo(conversation, bases = []) {
    this.#conversation = conversation;
    this.area.value = drafts.load(conversation);
    this.picker.set(bases);
    this.#grow();
    this.#buttons();
  }

  /** The conversation has got its id: the draft goes with it. */
  named(conversation) {
    drafts.keep(this.#conversation, "");
    this.#conversation = conversation;
    drafts.keep(conversation, this.area.value);
  }

  /** Put a text that was not sent back, before what has been typed since. */
  giveBack(text) {
    if (!this.area.value.startsWith(text)) this.area.value = [text, this.area.value].filter(Boolean).join("\n");
    this.#changed();
  }

  /** Replace the text and send it. */
  ask(text) {
    this.area.value = text;
    this.#send();
  }

  focus() {
    if (matchMedia("(hover: hover)").matches) this.area.focus();
  }

  /** While a reply is written, an empty composer offers Stop. */
  setGenerating(generating) {
    if (this.generating === generating) return;
    this.generating = generating;
    this.#buttons();
  }

  /** Say why nothing was sent; with `retryAfter` seconds counted down, during which sending waits. */
  explain(text, retryAfter = null) {
    clearInterval(this.#countdown);
    this.#countdown = null;
    if (!retryAfter) {
      this.#say(text);
      return;
    }
    let left = retryAfter;
    const tick = () => {
      if (left <= 0) { this.explain(""); return; }
      this.#say(fill(gettext("Too many requests. You can send again in %(seconds)s s; your text is kept."), { seconds: left }));
      left -= 1;
    };
    this.#countdown = setInterval(tick, 1000);
    tick();
    this.#buttons();
  }

  #say(text) {
    this.note.hidden = !text;
    this.note.replaceChildren(...(text ? [icon("warn"), el("div", {}, text)] : []));
    this.#buttons();
  }

  #listen() {
    this.area.addEventListener("input", () => this.#changed());
    this.area.addEventListener("keydown", (event) => {
      // 229: Safari ends a composition before the Enter that confirmed it.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      this.#send();
    });
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.generating && !this.area.value.trim()) this.acts.stop();
      else this.#send();
    });
  }

  #send() {
    const text = this.area.value.trim();
    if (!text || this.#countdown) return;
    this.area.value = "";
    this.explain("");
    this.#changed();
    this.attachments.clearDone();
    this.acts.send(text);
  }

  #changed() {
    drafts.keep(this.#conversation, this.area.value);
    this.#grow();
    this.#buttons();
  }

  #grow() {
    this.area.style.height = "auto";
    this.area.style.height = `${this.area.scrollHeight}px`;
  }

  #buttons() {
    const empty = !this.area.value.trim();
    const stop = this.generating && empty;
    const label = stop ? gettext("Stop") : gettext("Send");
    this.sendButton.classList.toggle("stop", stop);
    this.sendButton.disabled = !stop && (empty || Boolean(this.#countdown));
    if (this.sendButton.title === label) return;
    this.sendButton.title = label;
    this.sendButton.setAttribute("aria-label", label);
    this.sendButton.replaceChildren(icon(stop ? "stop" : "send"));
  }
}

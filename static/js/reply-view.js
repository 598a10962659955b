// One reply as it stands in the thread: stage line, text, sources, what went wrong, actions.

import { announce } from "./announce.js";
import { branchSwitch } from "./branches.js";
import { chip, showPassage, where } from "./citations.js";
import { copyText } from "./clipboard.js";
import { showDetails } from "./details.js";
import { button, el, icon, iconButton } from "./dom.js";
import { askFeedback } from "./feedback.js";
import { fill, fullMoment, gettext, moment, ngettext } from "./i18n.js";
import { patch, render } from "./markdown.js";
import { SentenceReader } from "./sentences.js";
import { toast } from "./toast.js";

/** Shows a reply; `acts`: `choose(id)`, `regenerate(reply)`, `drawn()`, `documents()`, `builtIn` (names of endpoints), `operator`, `adminUrl`, `traces`. */
export class ReplyView {
  #frame = 0;
  #shownText = null;
  #shownFoot = "";
  #reader = new SentenceReader();

  constructor(reply, acts) {
    Object.assign(this, { reply, acts, entry: { siblings: [reply.id], index: 0 } });
    this.stage = el("p", { class: "stage" });
    this.prose = el("div", { class: "prose" });
    this.foot = el("div", {});
    this.root = el("article", { class: "message reply", "aria-label": gettext("Reply") }, this.stage, this.prose, this.foot);
    if (!reply.open) this.#reader.skip(reply.text);
    this.#draw();
  }

  /** Draw the reply's place among its siblings. */
  show(entry) {
    this.entry = entry;
    this.#draw();
  }

  /** Draw the text anew: something loaded late changes how it looks. */
  redraw() {
    this.#shownText = null;
    this.refresh();
  }

  /** Draw again, at most once in a frame. */
  refresh() {
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#drawStage();
    this.#drawText();
    this.#drawFoot();
    announce(this.#reader.next(this.reply.text, { final: !this.reply.open }));
    this.acts.drawn();
  }

  #drawStage() {
    const waiting = this.reply.open && !this.reply.text;
    const text = waiting ? this.#stageText() : "";
    this.stage.hidden = !waiting;
    if (waiting && this.stage.dataset.text !== text) {
      this.stage.dataset.text = text;
      this.stage.replaceChildren(el("span", { class: "pulse" }), text);
      announce(text);
    }
  }

  #stageText() {
    const { status, citations } = this.reply;
    const count = this.acts.documents();
    if (status === "queued") return gettext("Waiting for its turn…");
    if (status === "retrieving" && count) {
      return fill(ngettext("Searching %(count)s document…", "Searching %(count)s documents…", count), { count });
    }
    if (status === "retrieving") return gettext("Searching the documents…");
    if (!citations.length) return gettext("Writing…");
    return fill(ngettext("Found %(count)s passage, writing…", "Found %(count)s passages, writing…", citations.length), { count: citations.length });
  }

  #drawText() {
    const { text, open, citations } = this.reply;
    const key = `${citations.length}:${text}`;
    if (this.#shownText !== key) {
      this.#shownText = key;
      const known = new Map(citations.map((citation) => [citation.number, citation]));
      patch(this.prose, render(text, (number) => (known.has(number) ? chip(known.get(number)) : null)));
    }
    this.prose.toggleAttribute("data-live", open && Boolean(text));
  }

  #drawFoot() {
    const { status, error, message, citations } = this.reply;
    const key = JSON.stringify([status, error, message?.feedback, message?.model, citations.length, this.entry]);
    if (key === this.#shownFoot) return;
    this.#shownFoot = key;
    this.foot.replaceChildren(...(this.reply.open ? [] : [this.#note(), this.#sources(), this.#builtIn(), this.#actions()].filter(Boolean)));
  }

  #note() {
    const { status, error, text } = this.reply;
    const said = {
      stopped: text ? gettext("Stopped. What was written so far is kept.") : gettext("Stopped before the first word."),
      interrupted: gettext("Interrupted: the work broke off. What was written so far is kept."),
      failed: gettext("This reply failed."),
    }[status];
    if (!said) return null;
    const bad = status === "failed" || status === "interrupted";
    const label = status === "failed" ? gettext("Retry") : gettext("Regenerate");
    return el(
      "div",
      { class: `reply-note notice${bad ? " notice-danger" : ""}` },
      icon(bad ? "warn" : "info"),
      el("div", {}, el("p", {}, [said, error?.detail].filter(Boolean).join(" ")),
        el("div", { class: "row" }, button(label, () => this.acts.regenerate(this.reply), { icon: "refresh", class: "button-small" }))),
    );
  }

  #sources() {
    const { citations } = this.reply;
    if (!citations.length) return null;
    const label = fill(ngettext("%(count)s source", "%(count)s sources", citations.length), { count: citations.length });
    return el("details", { class: "sources" },
      el("summary", {}, icon("quote"), label),
      el("ol", {}, citations.map((citation) => el("li", {}, sourceButton(citation)))));
  }

  /** The built-in answerer says itself what it is: who can change that gets the way there. */
  #builtIn() {
    if (!this.acts.operator || !this.acts.builtIn.includes(this.reply.message?.endpoint)) return null;
    return el("p", { class: "row reply-note" },
      el("a", { class: "button button-small", href: this.acts.adminUrl }, icon("settings"), gettext("Configure a model in Admin")));
  }

  #actions() {
    const rating = this.reply.message?.feedback?.rating;
    const small = { class: "icon-button-small" };
    const created = this.reply.message?.created_at;
    return el(
      "div",
      { class: "actions" },
      iconButton("copy", gettext("Copy"), () => this.#copy(), small),
      iconButton("refresh", gettext("Regenerate"), () => this.acts.regenerate(this.reply), small),
      branchSwitch(this.entry, this.acts.choose),
      ...(this.acts.feedback ? [
        iconButton("up", gettext("Good answer"), () => this.#rate(1), { ...small, "aria-pressed": String(rating === 1) }),
        iconButton("down", gettext("Bad answer"), () => this.#rate(-1), { ...small, "aria-pressed": String(rating === -1) }),
      ] : []),
      iconButton("info", gettext("Details"), () => showDetails(this.reply, this.acts.traces), small),
      created ? el("time", { datetime: created, title: fullMoment(created) }, moment(created)) : null,
    );
  }

  async #copy() {
    toast((await copyText(this.reply.text)) ? gettext("Copied") : gettext("The browser did not allow copying."));
  }

  async #rate(rating) {
    const feedback = await askFeedback(this.reply, rating);
    if (!feedback) return;
    this.reply.message = { ...this.reply.message, feedback };
    this.refresh();
  }
}

function sourceButton(citation) {
  return el(
    "button",
    { type: "button", class: "source", on: { click: () => showPassage(citation) } },
    el("span", { class: "chip", "aria-hidden": "true" }, String(citation.number)),
    el("b", {}, citation.document_name),
    el("small", {}, where(citation)),
    el("span", { class: "quote" }, citation.quote),
  );
}

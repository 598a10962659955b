// Which knowledge bases are asked: all that one may read, some, or none.

import { el, icon } from "./dom.js";
import { fill, gettext, ngettext } from "./i18n.js";
import { openMenu } from "./menu.js";

/** The chooser behind `opener`. `value`: null asks all, [] none, else ids. */
export class BasePicker {
  constructor(opener, bases, changed) {
    Object.assign(this, { opener, bases, changed, value: null });
    opener.addEventListener("click", () => openMenu(opener, () => this.#items()));
    this.#draw();
  }

  /** Take the choice of a conversation: an empty list there means all. */
  set(ids) {
    const known = ids.filter((id) => this.bases.some((base) => base.id === id));
    this.value = known.length ? known : null;
    this.#draw();
  }

  /** Make sure that `base` is asked. */
  include(base) {
    if (!this.bases.some(({ id }) => id === base.id)) this.bases.push(base);
    if (this.value && !this.value.includes(base.id)) this.#choose([...this.value, base.id]);
    else this.#draw();
  }

  /** How many documents a question is asked of. */
  documents() {
    return this.bases.filter(({ id }) => !this.value || this.value.includes(id)).reduce((sum, base) => sum + (base.documents ?? 0), 0);
  }

  #items() {
    const toggle = (id) => {
      const now = this.value ?? [];
      const next = now.includes(id) ? now.filter((other) => other !== id) : [...now, id];
      this.#choose(next.length ? next : null);
    };
    return [
      { title: gettext("Answers rest on") },
      { label: gettext("All knowledge bases"), checked: this.value === null, stay: true, run: () => this.#choose(null) },
      { label: gettext("None: the model alone"), checked: this.value?.length === 0, stay: true, run: () => this.#choose([]) },
      this.bases.length ? null : { title: gettext("There is no knowledge base yet.") },
      ...this.bases.map((base) => ({
        label: base.name,
        hint: fill(ngettext("%(count)s document", "%(count)s documents", base.documents), { count: base.documents }),
        checked: this.value?.includes(base.id) ?? false,
        stay: true,
        run: () => toggle(base.id),
      })),
      null,
      { label: gettext("Manage knowledge bases"), icon: "settings", href: "/knowledge/" },
    ];
  }

  #choose(value) {
    this.value = value;
    this.#draw();
    this.changed(value);
  }

  #draw() {
    this.opener.replaceChildren(icon("book"), el("span", {}, this.#label()));
    this.opener.title = gettext("Knowledge bases asked");
  }

  #label() {
    if (this.value === null) return gettext("All knowledge");
    if (!this.value.length) return gettext("No knowledge");
    if (this.value.length === 1) return this.bases.find(({ id }) => id === this.value[0]).name;
    return fill(ngettext("%(count)s base", "%(count)s bases", this.value.length), { count: this.value.length });
  }
}

// The form of a knowledge base: name, description, and with whom it is shared.

import { errorLine, field, showDialog } from "./dialog.js";
import { button, el } from "./dom.js";
import { gettext } from "./i18n.js";
import { VISIBILITIES } from "./visibility.js";

/** Asks for a base's fields; `save(fields)` sends them, and the dialog stays open while it fails. */
export class BaseForm {
  constructor({ title, label, save, base = {}, people = [], groups = [], mayShare = true }) {
    Object.assign(this, { title, label, save, base, error: errorLine() });
    this.name = el("input", { class: "input", maxlength: 120, required: true, value: base.name ?? "" });
    this.description = el("textarea", { class: "input", rows: 3 });
    this.description.value = base.description ?? "";
    this.visibility = el("fieldset", { class: "choices" }, el("legend", {}, gettext("Who may read it")), VISIBILITIES.filter(([value]) => mayShare || value !== "shared" || base.visibility === "shared").map((choice) => this.#choice(choice)));
    this.sharing = el("div", { class: "choices" },
      this.#list(gettext("People"), "shared_users", people), this.#list(gettext("Groups"), "shared_groups", groups));
    this.visibility.addEventListener("change", () => this.#drawSharing());
    this.#drawSharing();
  }

  /** Show the form; resolves with what was saved, or null. */
  async show() {
    let saved = null;
    await showDialog({
      title: this.title,
      body: [field(gettext("Name"), this.name), field(gettext("Description"), this.description), this.visibility, this.sharing, this.error.line],
      foot: [
        button(gettext("Cancel"), (event) => event.target.closest("dialog").close()),
        button(this.label, null, { type: "submit", class: "button-primary" }),
      ],
      onSubmit: async (dialog) => {
        try {
          saved = await this.save(this.#fields());
          dialog.close();
        } catch (error) {
          this.error.show(error.message);
        }
      },
    });
    return saved;
  }

  #choice([value, , label, hint]) {
    const radio = el("input", { type: "radio", name: "visibility", value, checked: (this.base.visibility ?? "private") === value });
    return el("label", { class: "choice" }, radio, el("span", {}, label), el("small", {}, hint));
  }

  #list(label, name, rows) {
    if (!rows.length) return null;
    const chosen = new Set((this.base[name] ?? []).map((each) => String(each.id ?? each)));
    return el("div", { class: "field" }, el("span", { class: "label" }, label), el("ul", { class: "people scroll" }, rows.map((row) =>
      el("li", {}, el("label", {}, el("input", { type: "checkbox", name, value: row.id, checked: chosen.has(String(row.id)) }), row.name)))));
  }

  #drawSharing() {
    this.sharing.hidden = this.visibility.querySelector(":checked").value !== "shared";
  }

  #fields() {
    const visibility = this.visibility.querySelector(":checked").value;
    const fields = { name: this.name.value.trim(), description: this.description.value.trim(), visibility };
    const checked = (name) => [...this.sharing.querySelectorAll(`[name=${name}]:checked`)].map((box) => box.value);
    if (visibility !== "shared" || !this.sharing.querySelector("input")) return fields;
    return { ...fields, shared_users: checked("shared_users"), shared_groups: checked("shared_groups").map(Number) };
  }
}

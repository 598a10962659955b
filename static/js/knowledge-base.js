// One knowledge base: its documents, uploads with their progress, sharing, deletion.

import { all, get, patch, post, remove } from "./api.js";
import { BaseForm } from "./base-form.js";
import { later } from "./deferred.js";
import { confirmDanger } from "./dialog.js";
import { errorText, follow, isOpen, stateText } from "./documents.js";
import { button, el, find, icon, iconButton, pageData } from "./dom.js";
import { dropZone } from "./drop.js";
import { bytes, fill, gettext, moment, ngettext } from "./i18n.js";
import { openMenu } from "./menu.js";
import { start } from "./shell.js";
import { ChatSocket } from "./socket.js";
import { toast } from "./toast.js";
import { upload } from "./upload.js";
import { visibilityBadge } from "./visibility.js";

const data = pageData("page-data");

class BasePage {
  rows = new Map();
  uploads = [];
  base = null;
  filter = "";

  constructor() {
    this.list = el("ul", { class: "rows" });
    this.count = el("h2", {});
    this.search = el("input", { class: "input", type: "search", placeholder: gettext("Filter by name"), "aria-label": gettext("Filter by name"), hidden: true });
    this.search.addEventListener("input", () => { this.filter = this.search.value.trim().toLowerCase(); this.draw(); });
    find("#content").append(...[data.editable ? this.#drop() : null, el("section", {}, el("div", { class: "list-head" }, this.count, this.search), this.list)].filter(Boolean));
  }

  async load() {
    try {
      const [base, documents] = await Promise.all([get(`knowledge-bases/${data.base.id}/`), all(`knowledge-bases/${data.base.id}/documents/`)]);
      this.base = base;
      for (const document of documents) this.put(document);
      this.actions();
      this.draw();
    } catch (error) {
      this.list.replaceChildren(el("li", {}, icon("warn"), el("span", {}, error.message), button(gettext("Try again"), () => this.load())));
    }
  }

  /** Take a document; while it is being read it is followed. */
  put(document) {
    const known = this.rows.get(document.id);
    this.rows.set(document.id, document);
    if (isOpen(document) && !(known && isOpen(known))) {
      follow(document.id, (now) => { this.rows.set(now.id, now); this.draw(); });
    }
  }

  actions() {
    const test = el("a", { class: "button", href: `/knowledge/${encodeURIComponent(data.base.slug)}/search/` }, icon("search"), gettext("Search test"));
    const more = iconButton("dots", gettext("More"), () => openMenu(more, () => [
      { label: gettext("Read all documents again"), icon: "refresh", run: () => this.reindexAll() },
      { label: gettext("Delete this knowledge base"), icon: "trash", danger: true, run: () => this.deleteBase() },
    ]), { "aria-haspopup": "menu", "aria-expanded": "false" });
    const mine = data.editable ? [button(gettext("Sharing and name"), () => this.edit(), { icon: "share" }), more] : [];
    find("#page-actions").replaceChildren(visibilityBadge(this.base.visibility), test, ...mine);
  }

  draw() {
    const documents = [...this.rows.values()].filter(({ name }) => name.toLowerCase().includes(this.filter));
    this.count.textContent = fill(ngettext("%(count)s document", "%(count)s documents", this.rows.size), { count: this.rows.size });
    this.search.hidden = this.rows.size < 8;
    const rows = [...this.uploads.map(({ node }) => node), ...documents.map((document) => this.#row(document))];
    this.list.replaceChildren(...(rows.length ? rows : [this.#empty()]));
  }

  #empty() {
    return el("li", { class: "empty" }, icon("file"), el("p", {}, this.filter ? gettext("No document has this in its name.") : gettext("No documents yet.")));
  }

  #drop() {
    const input = el("input", { type: "file", multiple: true, accept: data.limits.accept, hidden: true });
    input.addEventListener("change", () => { this.upload([...input.files]); input.value = ""; });
    const zone = el("div", { class: "drop" }, icon("upload"), el("p", {}, gettext("Drop files here, or choose them.")),
      button(gettext("Choose files"), () => input.click(), { class: "button-small" }),
      el("small", {}, gettext("PDF, Word, PowerPoint, Excel, CSV, HTML, Markdown and text")), input);
    dropZone(zone, (files) => this.upload(files));
    return zone;
  }

  /** Upload files one after the other, each in its own row. */
  async upload(files) {
    const waiting = files.map((file) => this.#uploadRow(file));
    this.uploads.push(...waiting);
    this.draw();
    for (const each of waiting) await this.#send(each);
  }

  #uploadRow(file) {
    const bar = el("span");
    const state = el("div", { class: "meta", role: "status" }, gettext("Waiting"));
    const node = el("li", {}, icon("upload"), el("div", { class: "name" }, el("b", {}, file.name), state, el("div", { class: "progress" }, bar)), el("span"));
    return { file, node, bar, state };
  }

  async #send(each) {
    const { file, bar, state } = each;
    try {
      if (file.size > data.limits.bytes) throw new Error(data.limits.text);
      state.textContent = gettext("Uploading");
      const document = await upload(data.base.id, file, (percent) => { bar.style.width = `${percent}%`; });
      if (this.rows.has(document.id)) toast(fill(gettext("%(name)s is here already."), { name: file.name }));
      this.uploads = this.uploads.filter((other) => other !== each);
      this.rows = new Map([[document.id, document], ...this.rows]);
      if (isOpen(document)) follow(document.id, (now) => { this.rows.set(now.id, now); this.draw(); });
    } catch (error) {
      this.#failed(each, error);
    }
    this.draw();
  }

  #failed(each, error) {
    each.state.className = "error";
    each.state.textContent = error.message;
    const drop = () => { this.uploads = this.uploads.filter((other) => other !== each); };
    each.node.lastElementChild.replaceWith(el("div", { class: "tail" },
      iconButton("refresh", gettext("Retry"), () => { drop(); this.upload([each.file]); }),
      iconButton("close", gettext("Dismiss"), () => { drop(); this.draw(); })));
  }

  #row(document) {
    const failed = document.status === "failed";
    const open = isOpen(document);
    const bar = el("span");
    bar.style.width = `${document.progress ?? 0}%`;
    return el("li", {}, icon("file"),
      el("div", { class: "name" },
        el("a", { href: `/knowledge/documents/${document.id}/` }, document.name),
        failed ? el("p", { class: "error" }, errorText(document)) : el("div", { class: "meta" }, this.#facts(document)),
        open ? el("div", { class: "progress", role: "progressbar", "aria-label": document.name, "aria-valuenow": document.progress ?? 0, "aria-valuemin": 0, "aria-valuemax": 100 }, bar) : null),
      el("div", { class: "tail" }, this.#badge(document), data.editable ? this.#menu(document) : null));
  }

  #facts(document) {
    return [
      document.size ? el("span", {}, bytes(document.size)) : null,
      document.chunks ? el("span", {}, fill(ngettext("%(count)s passage", "%(count)s passages", document.chunks), { count: document.chunks })) : null,
      document.version_number > 1 ? el("span", {}, fill(gettext("Version %(number)s"), { number: document.version_number })) : null,
      isOpen(document) ? el("span", {}, stateText(document)) : el("span", {}, moment(document.updated_at ?? document.created_at)),
    ];
  }

  #badge(document) {
    const look = { ready: "badge-good", failed: "badge-danger" }[document.status] ?? "badge-warn";
    const label = { ready: gettext("Ready"), failed: gettext("Failed"), queued: gettext("Waiting"), processing: gettext("Reading") }[document.status];
    return el("span", { class: `badge ${look}` }, label);
  }

  #menu(document) {
    const again = document.status === "failed" ? gettext("Retry") : gettext("Read again");
    const opener = iconButton("dots", `${gettext("More")}: ${document.name}`, () => openMenu(opener, () => [
      { label: gettext("Open"), icon: "file", href: `/knowledge/documents/${document.id}/` },
      { label: again, icon: "refresh", run: () => this.reindex(document) },
      null,
      { label: gettext("Delete"), icon: "trash", danger: true, run: () => this.delete(document) },
    ]), { "aria-haspopup": "menu", "aria-expanded": "false" });
    return opener;
  }

  async reindex(document) {
    try {
      const now = await post(`documents/${document.id}/reindex/`);
      this.put(now?.id ? now : { ...document, status: "queued", progress: 0 });
      this.draw();
    } catch (error) {
      toast(error.message);
    }
  }

  async reindexAll() {
    try {
      await post(`knowledge-bases/${data.base.id}/reindex/`);
      toast(gettext("All documents are being read again. Until then the present index is used."));
      await this.load();
    } catch (error) {
      toast(error.message);
    }
  }

  delete(document) {
    this.rows.delete(document.id);
    this.draw();
    const restore = () => { this.rows.set(document.id, document); this.draw(); };
    later(fill(gettext("%(name)s deleted"), { name: document.name }), ({ leaving }) =>
      remove(`documents/${document.id}/`, { keepalive: leaving }).catch((error) => { restore(); toast(error.message); }), restore);
  }

  async edit() {
    const save = (fields) => patch(`knowledge-bases/${data.base.id}/`, fields);
    const { people, groups, sharing: mayShare } = data;
    const saved = await new BaseForm({ title: gettext("Sharing and name"), label: gettext("Save"), save, base: this.base, people, groups, mayShare }).show();
    if (!saved) return;
    this.base = saved;
    find(".page-head h1").textContent = saved.name;
    find(".page-head p").textContent = saved.description;
    this.actions();
    if (saved.slug !== data.base.slug) location.replace(`/knowledge/${encodeURIComponent(saved.slug)}/`);
  }

  async deleteBase() {
    const text = gettext("All its documents go too. Answers that were given keep their quotes. This cannot be undone.");
    if (!(await confirmDanger(fill(gettext("Delete %(name)s?"), { name: this.base.name }), text, gettext("Delete")))) return;
    try {
      await remove(`knowledge-bases/${data.base.id}/`);
      location.assign("/knowledge/");
    } catch (error) {
      toast(error.message);
    }
  }
}

start();
const page = new BasePage();
const socket = new ChatSocket("/ws/chat/");
socket.addEventListener("frame", ({ detail }) => detail.type === "document.progress" && dispatchEvent(new CustomEvent("document-progress", { detail })));
socket.connect();
page.load();

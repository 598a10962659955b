// The list of conversations: groups, search, rename, pin, archive, export, delete with undo.

import { all, get, patch, remove } from "./api.js";
import { later } from "./deferred.js";
import { el, find, icon, iconButton } from "./dom.js";
import { grouped } from "./grouping.js";
import { gettext, month } from "./i18n.js";
import { openMenu } from "./menu.js";
import { toast } from "./toast.js";

const SEARCH_DELAY_MS = 180;
const SHOWN = 300;

/** The sidebar's list. Events: `open` (detail: id; cancel it to stay on the page), `deleted` (detail: id), `changed` (detail: conversation). */
export class Sidebar extends EventTarget {
  #rows = new Map();
  #found = null;
  #hidden = new Set();
  #live = new Set();
  #archived = false;
  #asking = null;
  current = null;

  constructor(root) {
    super();
    this.list = find(".sidebar-list", root);
    this.search = find("input[type=search]", root);
    this.search.addEventListener("input", () => this.#searchSoon());
    this.search.addEventListener("keydown", (event) => this.#searchKey(event));
  }

  /** Fetch the newest conversations. */
  async load() {
    try {
      const rows = await all(`conversations/${this.#archived ? "?archived=true" : ""}`, { limit: SHOWN });
      this.#rows = new Map(rows.map((row) => [row.id, row]));
      this.#draw();
    } catch (error) {
      this.list.replaceChildren(el("p", { class: "quiet" }, error.message));
    }
  }

  /** Add a conversation or what is new about it. */
  put(conversation) {
    if (conversation.archived !== this.#archived) this.#rows.delete(conversation.id);
    else this.#rows.set(conversation.id, conversation);
    this.#draw();
  }

  get(id) {
    return this.#rows.get(id);
  }

  /** A conversation was just used: it goes to the top. */
  touch(id) {
    const row = this.#rows.get(id);
    if (row) this.put({ ...row, updated_at: new Date().toISOString() });
  }

  setCurrent(id) {
    this.current = id;
    this.#draw();
  }

  /** Mark which conversations are being answered. */
  setLive(ids) {
    if (ids.size === this.#live.size && [...ids].every((id) => this.#live.has(id))) return;
    this.#live = ids;
    this.#draw();
  }

  #draw() {
    const rows = (this.#found ?? [...this.#rows.values()]).filter(({ id }) => !this.#hidden.has(id));
    const groups = this.#found ? [{ key: "found", rows }] : grouped(rows);
    this.list.replaceChildren(
      ...(this.#archived ? [this.#backFromArchive()] : []),
      ...(rows.length ? groups.map((group) => this.#group(group)) : [el("p", { class: "quiet" }, this.#emptyText())]),
    );
  }

  #emptyText() {
    if (this.#found) return gettext("Nothing found.");
    return this.#archived ? gettext("The archive is empty.") : gettext("Your conversations will stand here.");
  }

  #backFromArchive() {
    return el("button", { type: "button", class: "nav-item", on: { click: () => this.showArchive(false) } }, icon("left"), el("span", {}, gettext("Leave the archive")));
  }

  /** Show archived conversations instead of the others, or the others again. */
  showArchive(archived) {
    this.#archived = archived;
    this.#rows.clear();
    return this.load();
  }

  #group({ key, date, rows }) {
    const titles = { pinned: gettext("Pinned"), today: gettext("Today"), week: gettext("Last 7 days"), found: gettext("Found") };
    return el("section", {}, el("h2", {}, titles[key] ?? month(date)), el("ul", {}, rows.map((row) => this.#row(row))));
  }

  #row(row) {
    const title = row.title || gettext("New conversation");
    const link = el("a", { href: `/c/${row.id}/`, title, "aria-current": row.id === this.current ? "page" : null }, title);
    link.addEventListener("click", (event) => this.#follow(event, row.id));
    const more = iconButton("dots", `${gettext("More")}: ${title}`, () => openMenu(more, () => this.#items(row, node)), {
      class: "icon-button-small", "aria-haspopup": "menu", "aria-expanded": "false",
    });
    more.title = gettext("More");
    const node = el("li", { class: "conversation", data: row.id === this.current ? { current: "" } : {} },
      link, this.#live.has(row.id) ? el("span", { class: "live", title: gettext("Being answered") }) : null, more);
    return node;
  }

  #follow(event, id) {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    const stay = !this.dispatchEvent(new CustomEvent("open", { detail: id, cancelable: true }));
    if (stay) event.preventDefault();
  }

  #items(row, node) {
    return [
      { label: gettext("Rename"), icon: "edit", keepFocus: true, run: () => this.#rename(row, node) },
      { label: row.pinned ? gettext("Unpin") : gettext("Pin"), icon: "pin", run: () => this.#change(row, { pinned: !row.pinned }) },
      { label: row.archived ? gettext("Take out of the archive") : gettext("Archive"), icon: "archive", run: () => this.#change(row, { archived: !row.archived }) },
      { label: gettext("Export as Markdown"), icon: "download", href: `/api/v1/conversations/${row.id}/export/?format=markdown`, download: "" },
      null,
      { label: gettext("Delete"), icon: "trash", danger: true, run: () => this.#delete(row) },
    ];
  }

  async #change(row, fields) {
    try {
      const now = await patch(`conversations/${row.id}/`, fields);
      this.put(now);
      this.dispatchEvent(new CustomEvent("changed", { detail: now }));
      if (fields.archived) toast(gettext("Archived"), { action: { label: gettext("Undo"), run: () => this.#change(now, { archived: false }) } });
    } catch (error) {
      toast(error.message);
    }
  }

  #rename(row, node) {
    const input = el("input", { class: "input", maxlength: 200, value: row.title, "aria-label": gettext("Title") });
    let ended = false;
    const end = (keep) => {
      if (ended) return;
      ended = true;
      const title = input.value.trim();
      if (keep && title && title !== row.title) this.#change(row, { title });
      else this.#draw();
    };
    input.addEventListener("keydown", (event) => {
      if (event.isComposing) return;
      if (event.key === "Enter") end(true);
      if (event.key === "Escape") { event.stopPropagation(); end(false); }
    });
    input.addEventListener("blur", () => end(true));
    node.replaceChildren(input);
    input.focus();
    input.select();
  }

  #delete(row) {
    this.#hidden.add(row.id);
    this.#draw();
    this.dispatchEvent(new CustomEvent("deleted", { detail: row.id }));
    const restore = () => { this.#hidden.delete(row.id); this.#draw(); };
    later(gettext("Conversation deleted"), ({ leaving }) => this.#deleteNow(row, leaving, restore), restore);
  }

  async #deleteNow(row, leaving, restore) {
    try {
      await remove(`conversations/${row.id}/`, { keepalive: leaving });
      this.#rows.delete(row.id);
      this.#hidden.delete(row.id);
    } catch (error) {
      restore();
      toast(error.message);
    }
  }

  #searchSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#searchNow(), SEARCH_DELAY_MS);
  }

  async #searchNow() {
    this.#asking?.abort();
    const words = this.search.value.trim();
    if (!words) {
      this.#found = null;
      this.#draw();
      return;
    }
    this.#asking = new AbortController();
    try {
      const page = await get(`conversations/?search=${encodeURIComponent(words)}`, { signal: this.#asking.signal });
      this.#found = page.results;
      this.#draw();
    } catch (error) {
      if (error.name !== "AbortError") toast(error.message);
    }
  }

  #searchKey(event) {
    if (event.key === "Escape") {
      this.search.value = "";
      this.#searchNow();
    } else if (event.key === "ArrowDown" || event.key === "Enter") {
      event.preventDefault();
      this.list.querySelector(".conversation a")?.focus();
    }
  }
}

// Menus that open at a button: arrow keys, Escape, a click elsewhere; focus returns to the button.

import { el, icon } from "./dom.js";

let open = null;

/** Close the menu that is open, if any. */
export function closeMenu({ refocus = false } = {}) {
  if (!open) return;
  const { opener, menu, listeners } = open;
  open = null;
  listeners.abort();
  menu.remove();
  opener.setAttribute("aria-expanded", "false");
  if (refocus) opener.focus();
}

/**
 * Open a menu at `opener`. Items: {label, icon, run, href, hint, checked, danger, stay}, {title}, or null for a line.
 * `checked` makes a choice of it; `stay` leaves the menu open (for several choices).
 */
export function openMenu(opener, items) {
  if (open?.opener === opener) {
    closeMenu({ refocus: true });
    return;
  }
  closeMenu();
  const menu = el("div", { class: "menu scroll", role: "menu" }, items().map((item) => entry(item, opener, items)));
  document.body.append(menu);
  const listeners = new AbortController();
  open = { opener, menu, listeners };
  opener.setAttribute("aria-expanded", "true");
  place(menu, opener);
  menu.querySelector(".menu-item")?.focus();
  listen(menu, opener, listeners.signal);
}

function entry(item, opener, items) {
  if (!item) return el("div", { class: "menu-separator", role: "separator" });
  if (item.title) return el("div", { class: "menu-title" }, item.title);
  const choice = item.checked !== undefined;
  const node = el(
    item.href ? "a" : "button",
    {
      class: `menu-item${item.danger ? " menu-item-danger" : ""}`,
      role: choice ? (item.stay ? "menuitemcheckbox" : "menuitemradio") : "menuitem",
      "aria-checked": choice ? String(item.checked) : null,
      tabindex: "-1",
      ...(item.href ? { href: item.href, download: item.download } : { type: "button" }),
    },
    item.icon ? icon(item.icon) : null,
    el("span", {}, item.label, item.hint ? el("small", {}, item.hint) : null),
    choice ? tick() : null,
  );
  node.addEventListener("click", () => {
    item.run?.();
    if (item.stay) redraw(opener, items, node);
    else closeMenu({ refocus: !item.href && !item.keepFocus });
  });
  return node;
}

function tick() {
  const mark = icon("check");
  mark.classList.add("tick");
  return mark;
}

function redraw(opener, items, node) {
  const place = [...open.menu.querySelectorAll(".menu-item")].indexOf(node);
  open.menu.replaceChildren(...items().map((item) => entry(item, opener, items)));
  open.menu.querySelectorAll(".menu-item")[place]?.focus();
}

function place(menu, opener) {
  const at = opener.getBoundingClientRect();
  const size = menu.getBoundingClientRect();
  const below = at.bottom + 4 + size.height <= innerHeight - 8;
  const top = below ? at.bottom + 4 : Math.max(8, at.top - size.height - 4);
  const left = Math.min(Math.max(8, at.left), innerWidth - size.width - 8);
  menu.style.top = `${top}px`;
  menu.style.left = `${left}px`;
}

function listen(menu, opener, signal) {
  document.addEventListener(
    "pointerdown",
    (event) => menu.contains(event.target) || opener.contains(event.target) || closeMenu(),
    { signal, capture: true },
  );
  addEventListener("resize", () => closeMenu(), { signal });
  menu.addEventListener("keydown", (event) => key(event, menu), { signal });
}

function key(event, menu) {
  const entries = [...menu.querySelectorAll(".menu-item")];
  const at = entries.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: entries.length - 1 }[event.key];
  if (to !== undefined) {
    event.preventDefault();
    entries.at(to % entries.length).focus();
  } else if (event.key === "Escape" || event.key === "Tab") {
    event.preventDefault();
    event.stopPropagation();
    closeMenu({ refocus: true });
  }
}

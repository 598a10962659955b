// Builds elements; text only ever enters as text.

/** Make an element. `attributes`: `class`, `data` (an object), `on` (listeners), or plain attributes; null and false are left out. */
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) setAttribute(node, key, value);
  node.append(...children.flat().filter((child) => child != null && child !== false));
  return node;
}

function setAttribute(node, key, value) {
  if (value == null || value === false) return;
  if (key === "on") for (const [type, listener] of Object.entries(value)) node.addEventListener(type, listener);
  else if (key === "data") Object.assign(node.dataset, value);
  else node.setAttribute(key, value === true ? "" : value);
}

const SVG = "http://www.w3.org/2000/svg";

/** Make the icon called `name` of the sprite; it says nothing to screen readers. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `${document.documentElement.dataset.icons}#${name}`);
  svg.append(use);
  return svg;
}

/** Make a button that shows only an icon; `label` is its name and its tooltip. */
export function iconButton(name, label, onClick, attributes = {}) {
  const { class: extra = "", ...rest } = attributes;
  return el(
    "button",
    { type: "button", class: `icon-button ${extra}`.trim(), "aria-label": label, title: label, on: { click: onClick }, ...rest },
    icon(name),
  );
}

/** Make a button with a text, and an icon before it where one is given. */
export function button(label, onClick, { icon: iconName, class: extra = "", ...rest } = {}) {
  return el(
    "button",
    { type: "button", class: `button ${extra}`.trim(), on: { click: onClick }, ...rest },
    iconName ? icon(iconName) : null,
    el("span", {}, label),
  );
}

export const find = (selector, root = document) => root.querySelector(selector);

/** Return what the server left in the page under `id`. */
export function pageData(id) {
  const node = document.getElementById(id);
  return node ? JSON.parse(node.textContent) : null;
}

// The ‹1/2› switch between siblings of a message.

import { el, iconButton } from "./dom.js";
import { fill, gettext } from "./i18n.js";

/** Make the switch, or nothing where there is one branch only; `choose(id)` shows a sibling. */
export function branchSwitch({ siblings, index }, choose) {
  if (siblings.length < 2) return null;
  const step = (name, label, to) =>
    iconButton(name, label, () => choose(siblings[to]), { class: "icon-button-small", disabled: !siblings[to] });
  const label = fill(gettext("Version %(index)s of %(count)s"), { index: index + 1, count: siblings.length });
  return el(
    "span",
    { class: "branches", role: "group", "aria-label": label },
    step("left", gettext("Previous version"), index - 1),
    el("span", {}, `${index + 1}/${siblings.length}`),
    step("right", gettext("Next version"), index + 1),
  );
}

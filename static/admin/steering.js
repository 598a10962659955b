/* What the steering screens do in the browser: filter, refresh, warn, show and hide. */

import { filterRows } from "./steering-filter.js";
import { orderRows } from "./steering-order.js";
import { refreshQuietly } from "./steering-refresh.js";
import { testConnection } from "./steering-test.js";

document.querySelectorAll("[data-filter]").forEach(filterRows);
document.querySelectorAll("[data-ordered]").forEach(orderRows);
document.querySelectorAll("[data-refresh]").forEach(refreshQuietly);
document.querySelectorAll("[data-test-connection]").forEach(testConnection);

// A choice that only matters with another one is shown with it.
for (const part of document.querySelectorAll("[data-shown-with]")) {
  const [name, value] = part.dataset.shownWith.split("=");
  const update = () => {
    const chosen = document.querySelector(`[name="${name}"]:checked`);
    part.hidden = chosen?.value !== value;
  };
  document.querySelectorAll(`[name="${name}"]`).forEach((each) => each.addEventListener("change", update));
  update();
}

// A form that takes a while says so, and is not sent twice.
for (const form of document.querySelectorAll("form[data-busy]")) {
  form.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (!button || button.hasAttribute("data-plain")) return;
    requestAnimationFrame(() => {
      button.disabled = true;
      button.textContent = form.dataset.busy;
    });
  });
}
window.addEventListener("pageshow", (event) => event.persisted && location.reload());

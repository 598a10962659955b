/* A filter box over the rows of a page: words, and "only what differs". */

export function filterRows(box) {
  const rows = [...document.querySelectorAll(box.dataset.filter)];
  const words = box.querySelector("[data-words]");
  const only = [...box.querySelectorAll("[data-only]")];
  const none = document.querySelector("[data-none]");

  const update = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const flags = only.filter((each) => each.checked).map((each) => each.dataset.only);
    for (const row of rows) {
      const text = row.dataset.text.toLowerCase();
      row.hidden = !wanted.every((word) => text.includes(word)) || !flags.every((flag) => flag in row.dataset);
    }
    for (const group of document.querySelectorAll("[data-group]")) {
      group.hidden = ![...group.querySelectorAll("[data-text]")].some((row) => !row.hidden);
    }
    if (none) none.hidden = rows.some((row) => !row.hidden);
  };

  words.addEventListener("input", update);
  only.forEach((each) => each.addEventListener("change", update));
  words.value ||= new URLSearchParams(location.search).get("q") ?? "";
  update();
}

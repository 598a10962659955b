/* Rows that are moved up and down; the new order is sent by a button that then appears. */

export function orderRows(table) {
  const rows = table.tBodies[0];
  const button = table.parentElement.querySelector("[data-order-button]");
  const order = () => [...rows.querySelectorAll('[name="order"]')].map((each) => each.value).join();
  const before = order();

  rows.addEventListener("click", (event) => {
    const move = event.target.closest("[data-move]");
    if (!move) return;
    const row = move.closest("tr");
    if (move.dataset.move === "-1") row.previousElementSibling?.before(row);
    else row.nextElementSibling?.after(row);
    move.focus();
    button.hidden = order() === before;
  });
}

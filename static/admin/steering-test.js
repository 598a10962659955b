/* Sends the form as it stands to be tried, and shows what came of it beside the button. */

export function testConnection(button) {
  const out = document.querySelector(button.dataset.testConnection);

  button.addEventListener("click", async () => {
    const data = new FormData(button.form);
    button.disabled = true;
    out.hidden = false;
    out.className = "st-note";
    out.textContent = button.dataset.waiting;
    try {
      const answer = await fetch(button.dataset.address, { method: "POST", body: data, credentials: "same-origin" });
      const said = await answer.json();
      out.className = said.ok ? "st-note is-good" : "st-note is-bad";
      out.textContent = said.text;
    } catch {
      out.className = "st-note is-bad";
      out.textContent = button.dataset.failed;
    }
    button.disabled = false;
  });
}

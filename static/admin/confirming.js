/* Asks before a form is sent; without the dialog's "yes" nothing happens. */

export function askBefore(form, dialog) {
  let agreed = false;
  form.addEventListener("submit", (event) => {
    if (agreed) return;
    event.preventDefault();
    const button = event.submitter;
    dialog.querySelector("[data-what]").textContent = form.dataset.title ?? "";
    dialog.returnValue = "";
    dialog.addEventListener("close", () => {
      if (dialog.returnValue !== "yes") return;
      agreed = true;
      form.requestSubmit(button);
    }, { once: true });
    dialog.showModal();
  });
}

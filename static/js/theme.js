// Light, dark, or as the system says; applied before the first paint and remembered.

const KEY = "clawai.theme";
const CHOICES = ["system", "light", "dark"];
const BARS = { light: "#fbfaf8", dark: "#161715" };

export const current = () => document.documentElement.dataset.theme || "system";

/** Apply and remember a theme. */
export function choose(theme) {
  document.documentElement.dataset.theme = CHOICES.includes(theme) ? theme : "system";
  localStorage.setItem(KEY, document.documentElement.dataset.theme);
  paintBar();
}

/** Colour the browser's own bar like the page. */
export function paintBar() {
  const dark = current() === "dark" || (current() === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.querySelector('meta[name="theme-color"]')?.setAttribute("content", dark ? BARS.dark : BARS.light);
}

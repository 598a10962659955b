// Runs before the first paint, as a classic script: a remembered theme must not flash.
(() => {
  try {
    const theme = localStorage.getItem("clawai.theme");
    if (theme) document.documentElement.dataset.theme = theme;
  } catch {
    // Storage is closed in some private modes: the server's choice stands.
  }
})();

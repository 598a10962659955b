/* Fetches the page again every few seconds while it is seen, and takes over one part of it. */

export function refreshQuietly(part) {
  const every = Number(part.dataset.refresh) * 1000;

  const look = async () => {
    if (document.hidden || part.contains(document.activeElement)) return;
    try {
      const answer = await fetch(location.href, { credentials: "same-origin", redirect: "error" });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("[data-refresh]");
      if (fresh && fresh.innerHTML !== part.innerHTML) part.replaceChildren(...fresh.childNodes);
    } catch {
      // The next look tells; a page that is a few seconds old is no reason to disturb anyone.
    }
  };

  setInterval(look, every);
}

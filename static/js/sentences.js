// Cuts a growing text into whole sentences, for readers who listen; pure.

const END = /[。！？!?…]+["'”’）)】]*|\.(?=\s|$)["'”’)]*|\n+/g;

/** Return the plain words of Markdown. */
export function plain(markdown) {
  return markdown
    .replace(/```[\s\S]*?(```|$)/g, " ")
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/\[\d+\]/g, "")
    .replace(/[*_`#>|~]+/g, "")
    .replace(/[ \t]+/g, " ");
}

/** Takes the whole text so far again and again, and gives each sentence once. */
export class SentenceReader {
  #read = 0;

  /** Return what became whole since the last call; with `final`, the rest too. */
  next(text, { final = false } = {}) {
    const rest = text.slice(this.#read);
    let end = 0;
    for (const match of rest.matchAll(END)) {
      const after = match.index + match[0].length;
      if (final || after < rest.length) end = after;
    }
    if (final) end = rest.length;
    this.#read += end;
    return plain(rest.slice(0, end)).trim();
  }

  /** Count everything up to now as read. */
  skip(text) {
    this.#read = text.length;
  }
}

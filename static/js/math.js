// Mathematics in Markdown: $…$, $$…$$, \(…\), \[…\]; KaTeX is loaded when the first formula appears.

let katex = null;
let loading = null;

/** Load KaTeX once; `done` is called when formulas can be drawn. */
function load(done) {
  loading ??= import("../vendor/katex/katex.js").then((module) => { katex = module.default; });
  loading.then(done, () => {});
}

/** Draw `tex` as MathML, or show it as code until (or unless) that is possible. */
function draw(tex, display, escape, done) {
  if (!katex) load(done);
  const plain = `<code>${escape(tex)}</code>`;
  if (!katex) return plain;
  try {
    return katex.renderToString(tex, { displayMode: display, output: "mathml", throwOnError: true, strict: "ignore", maxExpand: 200 });
  } catch {
    return plain;
  }
}

const PAIRS = [["$$", "$$", true], ["\\[", "\\]", true], ["\\(", "\\)", false], ["$", "$", false]];

/** A single dollar is money unless it hugs its formula and no digit follows. */
function isFormula(open, tex, following) {
  if (!tex.trim()) return false;
  return open !== "$" || (!/^\s|\s$|\n/.test(tex) && !/^\d/.test(following));
}

function inline(state, silent) {
  const { src, pos } = state;
  for (const [open, close, display] of PAIRS) {
    if (!src.startsWith(open, pos)) continue;
    const end = src.indexOf(close, pos + open.length);
    if (end < 0) continue;
    const tex = src.slice(pos + open.length, end);
    if (!isFormula(open, tex, src.slice(end + close.length))) continue;
    if (!silent) Object.assign(state.push("formula", "math", 0), { content: tex, meta: { display } });
    state.pos = end + close.length;
    return true;
  }
  return false;
}

function block(state, startLine, endLine, silent) {
  const line = (n) => state.src.slice(state.bMarks[n] + state.tShift[n], state.eMarks[n]);
  const first = line(startLine).trim();
  const pair = PAIRS.find(([open, , display]) => display && first.startsWith(open));
  if (!pair) return false;
  const [open, close] = pair;
  const lines = [first.slice(open.length)];
  let next = startLine;
  while (!lines.at(-1).trimEnd().endsWith(close)) {
    next += 1;
    if (next >= endLine) return false;
    lines.push(line(next));
  }
  if (silent) return true;
  const tex = lines.join("\n").trimEnd().slice(0, -close.length);
  Object.assign(state.push("formula", "math", 0), { content: tex, meta: { display: true }, block: true });
  state.line = next + 1;
  return true;
}

/** Teach a markdown-it instance formulas; `done` is called when KaTeX has come. */
export function mathematics(md, done) {
  md.inline.ruler.before("escape", "formula", inline);
  md.block.ruler.before("paragraph", "formula", block, { alt: ["paragraph", "list", "blockquote"] });
  md.renderer.rules.formula = (tokens, at) => {
    const { content, meta, block: own } = tokens[at];
    const drawn = draw(content, meta.display, md.utils.escapeHtml, done);
    return own ? `<p>${drawn}</p>\n` : drawn;
  };
}

// Colours code; the highlighter and each language are loaded when they are first needed.

const LANGUAGES = new Set([
  "bash", "c", "cpp", "css", "diff", "dockerfile", "go", "ini", "java", "javascript", "json", "kotlin",
  "markdown", "nginx", "php", "python", "ruby", "rust", "sql", "typescript", "xml", "yaml",
]);
const ALIASES = {
  sh: "bash", shell: "bash", zsh: "bash", console: "bash", "c++": "cpp", h: "c", js: "javascript", jsx: "javascript",
  ts: "typescript", tsx: "typescript", py: "python", python3: "python", rb: "ruby", rs: "rust", html: "xml", svg: "xml",
  yml: "yaml", toml: "ini", conf: "ini", md: "markdown", golang: "go", kt: "kotlin", patch: "diff", postgresql: "sql",
};

let core = null;
const loading = new Map();

async function load(language) {
  const [engine, grammar] = await Promise.all([
    import("../vendor/highlight/core.js"),
    import(`../vendor/highlight/${language}.js`),
  ]);
  core = engine.default;
  core.registerLanguage(language, grammar.default);
}

/** Return coloured HTML, or "" while (or where) there is none; `done` is called once a language has come. */
export function colour(code, name, done) {
  const language = ALIASES[name] ?? name;
  if (!LANGUAGES.has(language)) return "";
  if (core?.getLanguage(language)) return core.highlight(code, { language, ignoreIllegals: true }).value;
  if (!loading.has(language)) loading.set(language, load(language));
  loading.get(language).then(done, () => {});
  return "";
}

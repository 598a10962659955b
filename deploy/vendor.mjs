// Copies the pinned third-party files that the browser loads into static/vendor/, with licences.

import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const target = join(root, "static", "vendor");

const LANGUAGES = [
  "bash", "c", "cpp", "css", "diff", "dockerfile", "go", "ini", "java", "javascript", "json",
  "kotlin", "markdown", "nginx", "php", "python", "ruby", "rust", "sql", "typescript", "xml", "yaml",
];

const PARTS = [
  { name: "markdown-it", files: { "dist/browser/markdown-it.esm.min.mjs": "markdown-it.js" } },
  { name: "dompurify", files: { "dist/purify.es.mjs": "purify.js" } },
  { name: "katex", files: { "dist/katex.mjs": "katex.js" } },
  {
    name: "@highlightjs/cdn-assets",
    directory: "highlight",
    files: {
      "es/core.min.js": "core.js",
      ...Object.fromEntries(LANGUAGES.map((l) => [`es/languages/${l}.min.js`, `${l}.js`])),
    },
  },
];

async function copyPart({ name, directory = name, files }) {
  const source = join(root, "node_modules", name);
  const { version, license } = JSON.parse(await readFile(join(source, "package.json"), "utf8"));
  await mkdir(join(target, directory), { recursive: true });
  for (const [from, to] of Object.entries(files)) {
    // A source map that is not shipped would only make the browser ask for it in vain.
    const text = (await readFile(join(source, from), "utf8")).replace(/^\/\/# sourceMappingURL=.*$/m, "");
    await writeFile(join(target, directory, to), text);
  }
  await cp(join(source, "LICENSE"), join(target, directory, "LICENSE"));
  return `| ${name} | ${version} | ${license} |`;
}

await rm(target, { recursive: true, force: true });
const rows = [];
for (const part of PARTS) rows.push(await copyPart(part));
await writeFile(
  join(target, "README.md"),
  `Copied by \`npm run vendor\` from the versions pinned in \`package.json\`; do not edit.\n\n` +
    `| part | version | licence |\n| --- | --- | --- |\n${rows.join("\n")}\n`,
);

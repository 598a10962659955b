// Files dropped on a part of the page.

/** Call `take(files)` with what is dropped on `node`; it is marked while something hovers over it. */
export function dropZone(node, take) {
  let depth = 0;
  const has = (event) => event.dataTransfer?.types.includes("Files");
  const mark = (change) => {
    depth = Math.max(0, depth + change);
    node.toggleAttribute("data-drop", depth > 0);
  };
  node.addEventListener("dragenter", (event) => has(event) && (event.preventDefault(), mark(1)));
  node.addEventListener("dragleave", (event) => has(event) && mark(-1));
  node.addEventListener("dragover", (event) => has(event) && event.preventDefault());
  node.addEventListener("drop", (event) => {
    if (!has(event)) return;
    event.preventDefault();
    mark(-depth);
    take([...event.dataTransfer.files]);
  });
}

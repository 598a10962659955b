// How long to wait before the next attempt to connect; pure.

const BASE_MS = 400;
const CEILING_MS = 20_000;

/** Milliseconds before attempt `attempt` (0, 1, …): doubling, capped, with full jitter so that a restart is not followed by a stampede. */
export function delay(attempt, random = Math.random) {
  const ceiling = Math.min(CEILING_MS, BASE_MS * 2 ** attempt);
  return Math.round(ceiling * (0.5 + random() / 2));
}

// Words, numbers and times in the reader's language; the catalogue comes from Django.

const catalogue = globalThis.django ?? {};
const language = globalThis.document?.documentElement.lang || "en";

export const gettext = (text) => catalogue.gettext?.(text) ?? text;

export const ngettext = (one, many, count) =>
  catalogue.ngettext?.(one, many, count) ?? (count === 1 ? one : many);

/** Put `values` into the `%(name)s` places of `text`. */
export const fill = (text, values) => text.replace(/%\((\w+)\)[sd]/g, (_, name) => String(values[name]));

export const number = (value) => new Intl.NumberFormat(language).format(value);

export const percent = (value) => new Intl.NumberFormat(language, { style: "percent" }).format(value / 100);

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte"];

/** Write a number of bytes with a fitting unit. */
export function bytes(size) {
  const step = size < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(size) / 3));
  return new Intl.NumberFormat(language, {
    style: "unit", unit: UNITS[step], unitDisplay: step ? "short" : "long", maximumFractionDigits: step ? 1 : 0,
  }).format(size / 1000 ** step);
}

export const seconds = (milliseconds) =>
  new Intl.NumberFormat(language, { style: "unit", unit: "second", unitDisplay: "short", maximumFractionDigits: 2 })
    .format(milliseconds / 1000);

const dayOf = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();

export const daysAgo = (date, now = new Date()) => Math.round((dayOf(now) - dayOf(date)) / 86_400_000);

/** Write a moment: the time today, the date and time otherwise. */
export function moment(value) {
  const date = new Date(value);
  const clock = { hour: "2-digit", minute: "2-digit" };
  if (daysAgo(date) === 0) return new Intl.DateTimeFormat(language, clock).format(date);
  const year = date.getFullYear() === new Date().getFullYear() ? undefined : "numeric";
  return new Intl.DateTimeFormat(language, { year, month: "short", day: "numeric", ...clock }).format(date);
}

export const fullMoment = (value) =>
  new Intl.DateTimeFormat(language, { dateStyle: "long", timeStyle: "medium" }).format(new Date(value));

export const month = (date) =>
  new Intl.DateTimeFormat(language, { year: "numeric", month: "long" }).format(date);

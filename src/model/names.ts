/** Of a caller: it stands in log lines and in the journal. */
export function isCallerName(text: string): boolean {
  return /^\P{C}{1,128}$/u.test(text);
}

/** As events are to carry it: in any case, but without a scheme, `:443` or a dot at the end. */
export function isRegistryName(text: string): boolean {
  return /^(?=.{1,253}$)[a-z0-9-]+(\.[a-z0-9-]+)*(?!:443$)(:\d{1,5})?$/i.test(text);
}

/** With the limit of a repository's name, its length bounds the cost of a match. */
export function isGlob(text: string): boolean {
  return /^[\w./*-]{1,256}$/.test(text);
}

/** Whether the text can name a caller: callers' names appear in log lines and in the journal. */
export function isCallerName(text: string): boolean {
  return /^\P{C}{1,128}$/u.test(text);
}

/** A host name in any case, without a scheme, `:443` or a final dot. */
export function isRegistryName(text: string): boolean {
  return /^(?=.{1,253}$)[a-z0-9-]+(\.[a-z0-9-]+)*(?!:443$)(:\d{1,5})?$/i.test(text);
}

/** Its length and the length of a repository's name bound the cost of a match. */
export function isGlob(text: string): boolean {
  return /^[\w./*-]{1,256}$/.test(text);
}

import { printable } from './printable.ts';

/** A caller's name stands in log lines and in the journal. */
export function isCallerName(text: string): boolean {
  return /^\P{C}{1,128}$/u.test(text);
}

/** A registry's name as events carry it: in any case, without a scheme, `:443` or a dot at the end. */
export function isRegistryName(text: string): boolean {
  return /^(?=.{1,253}$)[a-z0-9-]+(\.[a-z0-9-]+)*(?!:443$)(:\d{1,5})?$/i.test(text);
}

/** The limit on the length, with the one on a repository's name, bounds the cost of a match. */
export function isGlob(text: string): boolean {
  return /^[\w./*-]{1,256}$/.test(text);
}

/** Whether no character of the text is invisible, ends a line, or changes how a terminal shows the others. */
export function isPrintable(text: string): boolean {
  return printable(text) === text;
}

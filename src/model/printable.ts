/** Controls, formats (bidirectional and zero-width characters among them), surrogates, unassigned characters, line separators. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/u;

/** Whether no character of the text is invisible, ends a line, or changes how a terminal shows the others. */
export function isPrintable(text: string): boolean {
  return !UNPRINTABLE.test(text);
}

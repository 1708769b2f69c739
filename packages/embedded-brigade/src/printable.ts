/** Nearly every text is only this, which is quick to see. */
const OTHER_THAN_ASCII = /[^\n -~]/;

/**
 * What a terminal obeys, hides, or reorders text by: control characters (C0, C1, DEL), format characters (bidirectional, of no
 * width), line and paragraph separators, unpaired surrogates, private and unassigned characters.
 */
const UNPRINTABLE = /[^\P{C}\n]|[\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/** Several lines that cannot control a terminal. Escapes as JSON does (`\u001b`), so that JSON stays the JSON that it is. */
export function printableLines(text: string): string {
  return OTHER_THAN_ASCII.test(text) ? text.replace(UNPRINTABLE, escaped) : text;
}

/** Likewise, in one line. */
export function printable(text: string): string {
  return printableLines(text).replaceAll('\n', '\\u000a');
}

function escaped(character: string): string {
  const units = character.split('').map((unit) => unit.charCodeAt(0).toString(16).padStart(4, '0'));
  return units.map((unit) => `\\u${unit}`).join('');
}

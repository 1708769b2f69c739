/** Characters. ACR allows 256 in the name of a repository. */
const MAX_TEXT_LENGTH = 512;

/**
 * Whether the whole text matches the glob. `*` matches any text without a slash, `**` any text, and every other character
 * itself. So `team/**` matches `team/a/b` but not `team`.
 *
 * A text longer than `MAX_TEXT_LENGTH` matches nothing. Takes at most length of glob × length of text steps, because all ways to match
 * are followed at once.
 */
export function matchesGlob(glob: string, text: string): boolean {
  if (text.length > MAX_TEXT_LENGTH) return false;
  // reached[i] is 1 if the glob read so far matches the first i characters of the text.
  const reached = new Uint8Array(text.length + 1);
  reached[0] = 1;
  for (const token of glob.match(/\*\*|./gs) ?? []) {
    if (token === '**') spread(reached, () => true);
    else if (token === '*') spread(reached, (i) => text[i] !== '/');
    else step(reached, text, token);
  }
  return reached[text.length] === 1;
}

function spread(reached: Uint8Array, over: (i: number) => boolean): void {
  for (let i = 1; i < reached.length; i++) {
    if (reached[i - 1] === 1 && over(i - 1)) reached[i] = 1;
  }
}

function step(reached: Uint8Array, text: string, character: string): void {
  for (let i = reached.length - 1; i > 0; i--) {
    reached[i] = reached[i - 1] === 1 && text[i - 1] === character ? 1 : 0;
  }
  reached[0] = 0;
}

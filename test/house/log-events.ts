import { read, sources } from './repository.ts';

/** Every call of a logger in the sources: its place, and the name of its event if there is one. */
export function logCalls(): readonly { readonly at: string; readonly event: string | undefined }[] {
  return sources().flatMap((path) => {
    const text = read(path);
    return [...text.matchAll(/\b[lL]og\.(?:trace|debug|info|warn|error|fatal)\(/g)].map(({ index, 0: call }) => {
      const line = text.slice(0, index).split('\n').length;
      const argumentsText = upToClosing(text.slice(index + call.length));
      return { at: `${path}:${line}`, event: /'([a-z_]+\.[a-z_]+)',?\s*$/.exec(argumentsText)?.[1] };
    });
  });
}

/** The text before the closing parenthesis. */
function upToClosing(text: string): string {
  let depth = 1;
  for (const { 0: parenthesis, index } of text.matchAll(/[()]/g)) {
    depth += parenthesis === '(' ? 1 : -1;
    if (depth === 0) return text.slice(0, index);
  }
  return text;
}

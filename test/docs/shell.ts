/** One program with its arguments, without quotes, redirections and variables. */
export type SimpleCommand = readonly string[];

const WORD = /\s*(?:'([^']*)'|"((?:\\.|\$\([^)]*\)|[^"\\])*)"|(\$\([^)]*\))|(&&|\|\||[|;]|\d?>>?|<)|([^\s'"|;<>&]+))/y;

/** The simple commands of a line for a POSIX shell, also those in `$(…)`; only the syntax that the documentation uses. */
export function simpleCommands(line: string): readonly SimpleCommand[] {
  const commands: string[][] = [[]];
  const nested: string[] = [];
  let isWordOpen = false;
  let isFile = false;
  for (const { text, kind, isGlued } of tokensOf(line)) {
    nested.push(...[...text.matchAll(/\$\(([^)]*)\)/g)].map(([, inner = '']) => inner));
    const command = commands.at(-1) ?? [];
    if (kind === 'operator') {
      isFile = /[<>]/.test(text);
      if (!isFile) commands.push([]);
    } else if (isFile) isFile = false;
    else if (isGlued && isWordOpen) command.push(`${command.pop() ?? ''}${text}`);
    else command.push(text);
    isWordOpen = kind === 'word' && !isFile;
  }
  const own = commands.map(withoutVariables).filter((command) => command.length > 0);
  return [...own, ...nested.flatMap(simpleCommands)];
}

interface Token {
  readonly kind: 'word' | 'operator';
  readonly text: string;
  /** No space separates it from the token before. */
  readonly isGlued: boolean;
}

function tokensOf(line: string): readonly Token[] {
  const tokens: Token[] = [];
  WORD.lastIndex = 0;
  let end = 0;
  while (line.slice(end).trim() !== '') {
    const found = WORD.exec(line);
    if (found === null) throw new Error(`cannot be read as a command: ${line.slice(end)}`);
    const [all, single, double, substitution, operator, bare] = found;
    const text = single ?? double ?? substitution ?? operator ?? bare ?? '';
    tokens.push({ kind: operator === undefined ? 'word' : 'operator', text, isGlued: end > 0 && !/^\s/.test(all) });
    end = WORD.lastIndex;
  }
  return tokens;
}

function withoutVariables(words: readonly string[]): SimpleCommand {
  const first = words.findIndex((word) => !/^[A-Za-z_]\w*=/.test(word));
  return first === -1 ? [] : words.slice(first);
}

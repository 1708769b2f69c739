import { pages, read } from '../house/repository.ts';

/** A command after `$ `, its lines joined, and the output below it. */
export interface Command {
  readonly text: string;
  readonly printed: string;
}

export interface Block {
  readonly page: string;
  readonly line: number;
  /** The comment before it: `needs: cluster`, `values`. */
  readonly mark: string | undefined;
  readonly text: string;
}

/** The fenced blocks of that language, in all pages. */
export function blocksIn(language: string): readonly Block[] {
  const fence = new RegExp(`(?:^<!-- ([^\n]+) -->\\n)?^( *)\`\`\`${language}\\n(.*?)^\\2\`\`\`$`, 'gms');
  return pages().flatMap((page) => {
    const whole = read(page);
    return [...whole.matchAll(fence)].map(({ index, 1: mark, 3: text = '' }) => {
      return { page, line: whole.slice(0, index).split('\n').length, mark, text };
    });
  });
}

export interface ConsoleBlock extends Block {
  /** Undefined if a test runs it. */
  readonly needs: string | undefined;
  readonly commands: readonly Command[];
}

export function consoleBlocks(): readonly ConsoleBlock[] {
  return blocksIn('console').map((block) => ({
    ...block,
    needs: /^needs: (.+)$/.exec(block.mark ?? '')?.[1],
    commands: commandsOf(block.text),
  }));
}

function commandsOf(text: string): readonly Command[] {
  const parts = text.replaceAll(/ *\\\n */g, ' ').split(/^\$ /m);
  return parts.slice(1).map((part) => {
    const [command = '', ...printed] = part.split('\n');
    return { text: command, printed: printed.join('\n').trim() };
  });
}

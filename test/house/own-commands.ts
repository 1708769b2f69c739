import { execFileSync } from 'node:child_process';
import { absolute } from './repository.ts';

const helps = new Map<string, string>();

function help(...command: readonly string[]): string {
  const key = command.join(' ');
  const known =
    helps.get(key) ?? execFileSync(process.execPath, [absolute('bin.js'), ...command, '--help'], { encoding: 'utf8' });
  helps.set(key, known);
  return known;
}

/** Whether the program's help lists the command, and the command's help each flag. */
export function isOwnCommand(words: readonly string[]): boolean {
  const path: string[] = [];
  for (const word of words) {
    const listed = help(...path);
    if (!listed.includes('Commands:') || word.startsWith('-')) break;
    if (!new RegExp(`^  ${word}\\b`, 'm').test(listed)) return false;
    path.push(word);
  }
  const flags = words.filter((word) => word.startsWith('-'));
  return path.length > 0 && flags.every((flag) => new RegExp(`${flag}\\b`).test(help(...path)));
}

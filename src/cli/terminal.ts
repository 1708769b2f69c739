import { formatIssue } from '../config/schema.ts';
import type { ParseIssue } from '../model/parsed.ts';

/** Writes a line to standard output. */
export function print(line = ''): void {
  process.stdout.write(`${line}\n`);
}

export function printError(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** A text from outside must not steer the terminal. */
export function printable(text: string): string {
  return text.replace(/\p{C}/gu, '�');
}

/** Every issue of the configuration, a line each. */
export function printIssues(issues: readonly ParseIssue[]): void {
  printError(`The configuration has ${issues.length === 1 ? 'an issue' : `${issues.length} issues`}:`);
  for (const issue of issues) printError(`  ${formatIssue(issue)}`);
}

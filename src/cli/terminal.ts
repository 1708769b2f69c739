import { formatIssue } from '../config/schema.ts';
import type { ParseIssue } from '../model/parsed.ts';
import { printable, printableLines } from '../model/printable.ts';

/**
 * Writes one or more lines to standard output, whose text cannot control the terminal. A text from outside that must not begin
 * a line of its own goes through `printable` first.
 */
export function print(lines = ''): void {
  process.stdout.write(`${printableLines(lines)}\n`);
}

/** Likewise, to standard error. */
export function printError(lines: string): void {
  process.stderr.write(`${printableLines(lines)}\n`);
}

/** Every issue of the configuration, a line each. */
export function printIssues(issues: readonly ParseIssue[]): void {
  printError(`The configuration has ${issues.length === 1 ? 'an issue' : `${issues.length} issues`}:`);
  for (const issue of issues) printError(`  ${formatIssue(issue)}`);
}

/** JSON over several lines, where that does not change it: JavaScript cannot represent every number. Any other text in one line. */
export function jsonLines(text: string): string {
  const json = parsed(text);
  return JSON.stringify(json) === text ? JSON.stringify(json, null, 2) : printable(text);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

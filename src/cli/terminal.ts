import type { SettingIssue } from '../config/setting.ts';

/** Writes a line for people or pipes. */
export function print(line = ''): void {
  process.stdout.write(`${line}\n`);
}

export function printError(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** A sender's text must not steer the terminal. */
export function printable(text: string): string {
  return text.replace(/\p{C}/gu, '�');
}

/** Every issue of the configuration, a line each. */
export function printIssues(issues: readonly SettingIssue[]): void {
  printError(`The configuration has ${issues.length === 1 ? 'an issue' : `${issues.length} issues`}:`);
  for (const { key, path, expected, received, source } of issues) {
    const at = path === '' ? key : `${key}: ${path}`;
    printError(`  ${at}: expected ${expected}, got ${received} (${source})`);
  }
}

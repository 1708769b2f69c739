import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';

/** Debian's browser. Undefined where it is not installed. */
const executablePath = (process.env['PATH'] ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'chromium'))
  .find((path) => existsSync(path));

/** Why tests with a browser are skipped; undefined where they run. In continuous integration they always run. */
export const NO_BROWSER =
  executablePath === undefined && process.env['CI'] === undefined
    ? 'not installed: chromium (Debian package)'
    : undefined;

/** Root, which continuous integration is, cannot use the sandbox. The browser opens pages of the test alone. */
export async function startBrowser(): Promise<Browser> {
  assert.ok(executablePath, 'not installed: chromium (Debian package)');
  return chromium.launch({ executablePath, args: ['--no-sandbox'] });
}

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { PATIENCE_MS } from './changes.ts';

/** From one check to the next, milliseconds. */
const PAUSE_MS = 25;

/**
 * Checks again and again until it is so. Only for what no event reports, such as whether a gateway accepts webhooks again:
 * wait with `Changes` for what is logged or arrives.
 */
export async function eventually(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await isSo())) {
    assert.ok(performance.now() < deadline, `still not: ${what}`);
    await sleep(PAUSE_MS);
  }
}

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { PATIENCE_MS } from './changes.ts';

/** Milliseconds from one look to the next. */
const PAUSE_MS = 25;

/**
 * Looks until it is so. Only for what nobody tells of and one has to ask again and again, such as whether a gateway would
 * take a webhook by now: what is logged or arrives somewhere is waited for itself, with `Changes`.
 */
export async function eventually(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await isSo())) {
    assert.ok(performance.now() < deadline, `still not: ${what}`);
    await sleep(PAUSE_MS);
  }
}

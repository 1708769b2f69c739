import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../model/clock.ts';
import { LIMITS } from './limits.ts';

/**
 * The same items. After every `sliceMs` of making them the event loop goes on, so that a large batch delays no other request
 * for longer.
 */
export async function* inSlices<T>(items: Iterable<T>, clock: Pick<Clock, 'tick'>): AsyncGenerator<T> {
  let startedAt = clock.tick();
  for (const item of items) {
    yield item;
    if (clock.tick() - startedAt < LIMITS.sliceMs) continue;
    await setImmediate();
    startedAt = clock.tick();
  }
}

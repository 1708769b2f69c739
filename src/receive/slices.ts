import { setImmediate } from 'node:timers/promises';
import { LIMITS } from './limits.ts';

/**
 * The same items. After every `sliceMs` of making them the event loop goes on, so that a large batch delays no other request
 * for longer. If the clock jumps, one slice is shorter or longer.
 */
export async function* inSlices<T>(items: Iterable<T>, now: () => number): AsyncGenerator<T> {
  let startedAt = now();
  for (const item of items) {
    yield item;
    if (now() - startedAt < LIMITS.sliceMs) continue;
    await setImmediate();
    startedAt = now();
  }
}

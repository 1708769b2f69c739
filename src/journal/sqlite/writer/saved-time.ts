import type { Time } from '../../../model/clock.ts';
import type { Statements } from './statements.ts';

/** How far the saved time may be behind, milliseconds. After a crash, events are due later by as much if a clock is wrong too. */
const BEHIND_MS = 60_000;

/** Meta entries. */
const NOW = 'saved_now';
const TICK = 'saved_tick';

/** What the journal's clock showed when it was last saved. Undefined for a journal that never was. */
export function savedTime({ getMeta }: Statements): Time | undefined {
  const [now, tick] = [NOW, TICK].map((name) => getMeta.get(name)?.['value']);
  return typeof now === 'number' && typeof tick === 'number' ? { now, tick } : undefined;
}

/** Call it in every transaction: the time goes with it once a minute, and when the clock of the machine was set. */
export function saveTime(sql: Statements, { now, tick }: Time): void {
  const saved = savedTime(sql);
  const isSame = saved !== undefined && saved.now - saved.tick === now - tick;
  if (isSame && tick - saved.tick < BEHIND_MS) return;
  sql.setMeta.run(NOW, now);
  sql.setMeta.run(TICK, tick);
}

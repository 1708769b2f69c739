import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { arrivalTick, JournalClock } from './journal-clock.ts';

const HOUR = 3_600_000;
const YEAR = 365 * 24 * HOUR;

describe('the clock of a journal', () => {
  test('shows the time of day of a clock that is never set', () => {
    const clock = new ManualClock();
    const journalClock = new JournalClock(clock);
    clock.advance(10 * YEAR);
    assert.deepEqual(journalClock.time(), { now: clock.now(), tick: clock.now() });
  });

  test('goes on when the clock of the machine is set, and follows one that runs a little differently', () => {
    const clock = new ManualClock();
    const journalClock = new JournalClock(clock);
    const tick = journalClock.time().tick;
    for (const wrongMs of [10 * YEAR, -10 * YEAR, 1_000, 0]) {
      clock.set(wrongMs);
      assert.equal(journalClock.time().tick, tick);
      assert.equal(journalClock.timeOfDay(tick), clock.now());
    }
    clock.set(999);
    assert.equal(journalClock.time().tick, tick + 999);
  });

  test('goes on while the journal is closed, but an hour at most and never back', () => {
    const clock = new ManualClock();
    const saved = { now: clock.now(), tick: clock.now() - YEAR };
    const gained = (ms: number) => {
      const later = new ManualClock();
      later.advance(ms);
      return new JournalClock(later, saved).time().tick - saved.tick;
    };
    assert.deepEqual([HOUR / 2, HOUR, 3 * HOUR, -HOUR, -10 * YEAR].map(gained), [HOUR / 2, HOUR, HOUR, 0, 0]);
  });

  test('an event arrives when it was received, unless the clock was set since then', () => {
    const time = { now: 10 * HOUR, tick: 3 * HOUR };
    assert.equal(arrivalTick(time.now - HOUR / 2, time), time.tick - HOUR / 2);
    assert.equal(arrivalTick(time.now - 2 * HOUR, time), time.tick);
    assert.equal(arrivalTick(time.now + 1, time), time.tick);
  });
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Leases, type Lent } from './leases.ts';

const LEASE_MS = 120_000;

function fresh(seq: number): Lent {
  return { seq, receivedAt: 0, delivery: 1, fresh: true };
}

describe('leases', () => {
  test('a lease is held by its fence alone, until it ends', () => {
    const leases = new Leases(100);
    const fence = leases.lend(fresh(1), 0);
    assert.ok(fence > 100);
    assert.equal(leases.held({ seq: 1, fence }, LEASE_MS - 1)?.seq, 1);
    assert.equal(leases.held({ seq: 1, fence: fence - 1 }, 0), undefined);
    assert.equal(leases.held({ seq: 1, fence }, LEASE_MS), undefined);
    assert.equal(leases.nextEnd(), LEASE_MS);
  });

  test('the cursor moves past what is lent, and back to what was not completed in time', () => {
    const leases = new Leases(0);
    for (const seq of [3, 4, 5]) leases.lend(fresh(seq), 0);
    assert.equal(leases.freshCursor, 5);
    leases.end(4);
    assert.equal(leases.freshCursor, 5);

    leases.dropEnded(LEASE_MS);

    assert.equal(leases.freshCursor, 2);
    assert.equal(leases.isHeld(3), false);
  });

  test('only leases of events that were tried before are counted as waiting', () => {
    const leases = new Leases(0);
    leases.lend(fresh(1), 0);
    leases.lend({ ...fresh(2), fresh: false }, 0);
    assert.equal(leases.waitingCount, 1);
    assert.equal(leases.freshCursor, 1);
    leases.end(2);
    leases.end(2);
    assert.equal(leases.waitingCount, 0);
  });

  test('a renewed lease lasts from its renewal, and one that has ended is not renewed', () => {
    const leases = new Leases(0);
    const fence = leases.lend(fresh(1), 0);
    leases.renew({ seq: 1, fence }, LEASE_MS - 1);
    assert.ok(leases.held({ seq: 1, fence }, LEASE_MS));
    leases.renew({ seq: 1, fence }, 2 * LEASE_MS);
    assert.equal(leases.held({ seq: 1, fence }, 2 * LEASE_MS), undefined);
  });
});

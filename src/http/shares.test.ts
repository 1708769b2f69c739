import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Shares } from './shares.ts';

const OPTIONS = { total: 80, share: 40, guaranteed: 5 };

test('a party gets as much as its share, and no more', () => {
  const shares = new Shares(OPTIONS);
  assert.deepEqual([shares.take('a', 40), shares.take('a', 1), shares.take('b', 1)], [true, false, true]);
});

test('a party gets what is guaranteed from the reserve, and no more', () => {
  const shares = new Shares(OPTIONS);
  assert.deepEqual([shares.take('a', 40), shares.take('b', 20), shares.take('b', 1)], [true, true, false]);
  assert.deepEqual([shares.take('c', 5), shares.take('c', 1)], [true, false]);
});

test('all parties together get the total, and no more', () => {
  const shares = new Shares(OPTIONS);
  const taken = Array.from({ length: 17 }, (_, party) => shares.take(`${party}`, 5));
  assert.deepEqual(taken, [...Array.from({ length: 16 }, () => true), false]);
});

test('what is given back can be taken again, and a party without anything takes no memory', () => {
  const shares = new Shares(OPTIONS);
  for (let round = 0; round < 100; round++) {
    assert.ok(shares.take('a', 40));
    shares.giveBack('a', 15);
    shares.giveBack('a', 25);
  }
  assert.equal(shares.parties, 0);
});

/** A party's wish to hold that much. */
const step = fc.record({ party: fc.constantFrom('a', 'b', 'c', 'd'), amount: fc.nat(50) });

test('whatever parties do: none exceeds its share or the total, and each gets what is guaranteed', () => {
  // The reserve of 20 is enough for four parties.
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const shares = new Shares(OPTIONS);
      const held = new Map<string, number>();
      const heldBy = (party: string) => held.get(party) ?? 0;
      for (const { party, amount } of steps) {
        const more = amount - heldBy(party);
        if (more < 0) shares.giveBack(party, -more);
        const isTaken = more < 0 || shares.take(party, more);
        if (isTaken) held.set(party, amount);
        else assert.ok(amount > OPTIONS.guaranteed);
        assert.ok(heldBy(party) <= OPTIONS.share);
        assert.ok(held.values().reduce((sum, each) => sum + each, 0) <= OPTIONS.total);
      }
      for (const [party, amount] of held) shares.giveBack(party, amount);
      assert.ok(shares.take('a', OPTIONS.share) && shares.take('b', OPTIONS.total * 0.75 - OPTIONS.share));
    }),
  );
});

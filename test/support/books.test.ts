import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answered, audit, type Booked, type Evidence, type Life } from './books.ts';
import { aRegistryEvent } from './records.ts';
import { anError, CREATED, type Reaction } from './stub-brigade.ts';

const ACCEPTED: Answered = { id: 'a', status: 200, result: 'accepted', seq: 1 };
const DELIVERED: Booked = { seq: 1, state: 'delivered', event: aRegistryEvent('a') };
const PENDING: Booked = { ...DELIVERED, state: 'pending' };
const REJECTED: Booked = {
  ...DELIVERED,
  state: 'dead-lettered',
  deadLetter: { at: 0, reason: 'rejected', detail: '' },
};
const EXPIRED: Booked = { ...DELIVERED, state: 'dead-lettered', deadLetter: { at: 0, reason: 'expired', detail: '' } };

/** A life whose log has these attempts to deliver the event. */
function aLife(token: string, wasCut: boolean, ...attempts: readonly object[]): Life {
  const lines = attempts.map((line) => ({ msg: 'delivery.attempted', level: 'info', id: 'a', ...line }));
  return { token, wasCut, log: lines };
}

function anArrival(token: string, reaction: Reaction = CREATED): Evidence['arrivals'][number] {
  return { id: 'a', token, reaction };
}

/** A run in which the event was accepted and delivered once. */
function evidence(changes: Partial<Evidence>): Evidence {
  const lives = [aLife('one', false, { outcome: 'delivered', decision: 'complete' })];
  return { answers: [ACCEPTED], arrivals: [anArrival('one')], lives, records: [DELIVERED], ...changes };
}

const KILLED = [aLife('one', true), aLife('two', false, { outcome: 'delivered', decision: 'complete' })];
const UNCERTAIN = { outcome: 'uncertain', decision: 'retry' };

for (const [what, changes, expected] of [
  ['a delivered event', {}, { delivered: 1 }],
  ['a delivered event that was pruned', { records: [] }, { delivered: 1 }],
  ['a pending event', { arrivals: [], lives: [], records: [PENDING] }, { pending: 1 }],
  [
    'a dead letter',
    { arrivals: [anArrival('one', anError(400, 'no'))], lives: [], records: [REJECTED] },
    { deadLettered: { rejected: 1 } },
  ],
  [
    'a discarded dead letter',
    {
      arrivals: [anArrival('one', anError(400, 'no'))],
      lives: [],
      records: [{ ...REJECTED, state: 'discarded' }],
    },
    { discarded: 1 },
  ],
  [
    'a damaged record that has lost its id',
    {
      arrivals: [],
      records: [
        {
          ...DELIVERED,
          state: 'dead-lettered',
          event: aRegistryEvent('damaged-1'),
          deadLetter: { at: 0, reason: 'damaged', detail: '' },
        },
      ],
      lives: [],
    },
    { deadLettered: { damaged: 1 } },
  ],
  [
    'a dead letter that was deleted and counted in the log',
    {
      answers: [{ ...ACCEPTED, result: 'dead-lettered' }],
      arrivals: [],
      records: [],
      lives: [{ token: 'one', wasCut: false, log: [{ msg: 'dead_letter.pruned', level: 'warn', count: 1 }] }],
    },
    { pruned: 1 },
  ],
  [
    'an event that a killed process delivered and the next one delivers again',
    { arrivals: [anArrival('one'), anArrival('two')], lives: KILLED },
    { delivered: 1, repeated: { 'cut off': 1 } },
  ],
  [
    'an event that is sent again after an uncertain attempt',
    {
      arrivals: [anArrival('one'), anArrival('one')],
      lives: [aLife('one', false, UNCERTAIN, { outcome: 'delivered', decision: 'complete' })],
    },
    { delivered: 1, repeated: { uncertain: 1 } },
  ],
  [
    'an event whose completion came too late',
    {
      arrivals: [anArrival('one'), anArrival('one')],
      lives: [
        aLife(
          'one',
          false,
          { outcome: 'delivered', decision: 'complete', isStale: true },
          { outcome: 'delivered', decision: 'complete' },
        ),
      ],
    },
    { delivered: 1, repeated: { 'completed too late': 1 } },
  ],
] as const satisfies readonly (readonly [string, Partial<Evidence>, object])[]) {
  test(`the books are right with ${what}`, () => {
    const expectation = { acknowledged: 1, delivered: 0, pending: 0, discarded: 0, pruned: 0, unacknowledged: 0 };
    assert.deepEqual(audit(evidence(changes)), {
      ...expectation,
      deadLettered: {},
      repeated: {},
      faults: [],
      ...expected,
    });
  });
}

test('the books are right with an event that was stored, although its webhook had no receipt', () => {
  for (const answer of [{ id: 'a' }, { id: 'a', status: 503 }]) {
    const { acknowledged, unacknowledged, faults } = audit(evidence({ answers: [answer] }));
    assert.deepEqual([acknowledged, unacknowledged, faults], [0, 1, []]);
  }
});

for (const [what, changes, fault] of [
  ['acknowledged and nowhere', { arrivals: [], lives: [], records: [] }, /^a is lost/m],
  ['completed, and Brigade did not create it', { arrivals: [] }, /^a is delivered.*never created/m],
  [
    'completed, and Brigade answered an error',
    { arrivals: [anArrival('one', anError(500, 'no'))] },
    /^a is delivered.*never created/m,
  ],
  ['in two states', { records: [PENDING, DELIVERED] }, /^a is in two places/m],
  ['kept twice', { records: [DELIVERED, { ...DELIVERED, seq: 2 }] }, /^a is in two places/m],
  ['pending, although it was completed', { records: [PENDING] }, /^a is pending, although/m],
  ['delivered, and a dead letter without an attempt that failed', { records: [EXPIRED] }, /^a comes again without/m],
  ['sent twice by one process', { arrivals: [anArrival('one'), anArrival('one')] }, /^a comes again without/m],
  [
    'sent twice by a process that was killed later',
    { arrivals: [anArrival('one'), anArrival('one')], lives: [aLife('one', true)] },
    /^a comes again without/m,
  ],
  [
    'sent again after a process that shut down',
    { arrivals: [anArrival('one'), anArrival('two')], lives: [aLife('one', false), aLife('two', true)] },
    /^a comes again without/m,
  ],
  [
    'sent again after a process that had completed it',
    {
      arrivals: [anArrival('one'), anArrival('two')],
      lives: [aLife('one', true, UNCERTAIN, { outcome: 'delivered', decision: 'complete' }), aLife('two', true)],
    },
    /^a came again, although one had completed it/m,
  ],
  ['never sent', { answers: [] }, /^a is delivered, although it was never sent/m],
  ['rejected', { answers: [{ id: 'a', status: 429 }] }, /^a is delivered, although its webhook was answered 429/m],
  ['ignored', { answers: [{ ...ACCEPTED, result: 'ignored' }] }, /^a is delivered, although its receipt says ignored/m],
  [
    'a dead letter that is gone',
    { answers: [{ ...ACCEPTED, result: 'dead-lettered' }], arrivals: [], records: [], lives: [] },
    /^1 dead letters are gone/m,
  ],
] as const satisfies readonly (readonly [string, Partial<Evidence>, RegExp])[]) {
  test(`the books are wrong with an event that is ${what}`, () => {
    const { faults } = audit(evidence(changes));
    assert.match(faults.join('\n'), fault);
  });
}

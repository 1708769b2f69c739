import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { aClaim } from '../../../test/support/records.ts';
import type { Outcome } from '../../model/delivery.ts';
import type { Probe, Sink } from '../sink.ts';

/** How the far side of a sink behaves. */
export type Behaviour =
  /** It takes every event. */
  | 'takes'
  /** It answers that it will never take this event, in many lines that repeat the credential where there is one. */
  | 'refuses'
  /** It answers that our credentials are wrong, as wordily. */
  | 'refuses-credentials'
  /** It answers that it has no time now. */
  | 'is-busy'
  /** Nobody is there. */
  | 'is-away'
  /** It takes the event, and the answer is lost. */
  | 'loses-its-answer'
  /** It takes the event, and says that something broke. */
  | 'fails'
  /** It answers that it took the event with what makes no sense. */
  | 'talks-nonsense'
  /** It never answers. */
  | 'hangs';

/** A sink under test, with its far side in the hands of the suite. */
export interface SinkHarness {
  readonly sink: Sink;
  readonly behave: (behaviour: Behaviour) => Promise<void>;
  /** The ids of the events that the far side has, in the order in which it took them. */
  readonly taken: () => readonly string[];
  /** Resolves once an event or a probe is at the far side while it hangs. */
  readonly untilAsked: () => Promise<void>;
  /** What must never be told; absent where there is none. */
  readonly credential?: string;
}

/** Nothing here waits as long as an attempt may: what is not over then has hung. */
const HANG_MS = 20_000;

const NEVER = new AbortController().signal;

/** What every sink promises; `open` opens one for each test, and has it closed with the test. */
export function sinkSuite(name: string, open: (t: TestContext) => Promise<SinkHarness>): void {
  const proves = (title: string, run: (harness: SinkHarness) => Promise<void>): void => {
    test(title, { timeout: HANG_MS }, async (t) => run(await open(t)));
  };
  describe(`${name}: deliver`, () => deliverSuite(proves));
  describe(`${name}: probe`, () => probeSuite(proves));
}

type Proof = (title: string, run: (harness: SinkHarness) => Promise<void>) => void;

const EXPECTED: Readonly<Record<Exclude<Behaviour, 'hangs'>, readonly Outcome['kind'][]>> = {
  takes: ['delivered'],
  refuses: ['rejected'],
  'refuses-credentials': ['unavailable'],
  'is-busy': ['unavailable'],
  'is-away': ['unavailable'],
  'loses-its-answer': ['uncertain'],
  fails: ['uncertain'],
  'talks-nonsense': ['uncertain', 'delivered'],
};

function deliverSuite(proves: Proof): void {
  for (const behaviour of BEHAVIOURS) {
    proves(`a far side that ${words(behaviour)} gives ${EXPECTED[behaviour].join(' or ')}`, async (harness) => {
      await harness.behave(behaviour);
      const outcome = await harness.sink.deliver(aClaim('a'), NEVER);
      assert.ok(EXPECTED[behaviour].includes(outcome.kind), JSON.stringify(outcome));
      if (outcome.kind === 'delivered') assert.deepEqual(harness.taken(), ['a']);
      if (outcome.kind === 'rejected' || outcome.kind === 'unavailable') assert.deepEqual(harness.taken(), []);
      if (outcome.kind !== 'delivered') assertPrintable(outcome.detail, harness);
    });
  }

  proves('refused credentials are told from everything else', async ({ sink, behave }) => {
    for (const behaviour of BEHAVIOURS) {
      await behave(behaviour);
      const outcome = await sink.deliver(aClaim('a'), NEVER);
      const isOurs = outcome.kind === 'unavailable' && outcome.credentials === true;
      assert.equal(isOurs, behaviour === 'refuses-credentials', `${behaviour}: ${JSON.stringify(outcome)}`);
    }
  });

  proves('an attempt that hangs ends once it is given up, and nobody knows what became of it', async (harness) => {
    await harness.behave('hangs');
    const giveUp = new AbortController();
    const outcome = harness.sink.deliver(aClaim('a'), giveUp.signal);
    await harness.untilAsked();
    giveUp.abort();
    assert.equal((await outcome).kind, 'uncertain');
  });

  proves('nothing is taken of what was given up beforehand', async ({ sink, behave, taken }) => {
    await behave('takes');
    const outcome = await sink.deliver(aClaim('a'), AbortSignal.abort());
    assert.equal(outcome.kind, 'unavailable');
    await sink.deliver(aClaim('b'), NEVER);
    assert.deepEqual(taken(), ['b']);
  });

  proves('a far side that comes back takes events again', async ({ sink, behave, taken }) => {
    for (const behaviour of ['is-away', 'loses-its-answer', 'fails'] as const) {
      await behave(behaviour);
      await sink.deliver(aClaim(behaviour), NEVER);
    }
    await behave('takes');
    assert.equal((await sink.deliver(aClaim('a'), NEVER)).kind, 'delivered');
    assert.equal(taken().at(-1), 'a');
  });

  proves('many attempts at a time each get their own answer', async ({ sink, behave, taken }) => {
    await behave('takes');
    const names = Array.from({ length: 64 }, (_, index) => `event-${index}`);
    const outcomes = await Promise.all(names.map((each) => sink.deliver(aClaim(each), NEVER)));
    assert.deepEqual(new Set(outcomes.map(({ kind }) => kind)), new Set(['delivered']));
    assert.deepEqual([...taken()].sort(), names.sort());
  });
}

function probeSuite(proves: Proof): void {
  proves('a probe finds a far side ready that takes events, and creates none', async (harness) => {
    await harness.behave('takes');
    const probe = await harness.sink.probe(NEVER);
    assert.equal(probe.kind, 'ready');
    assertPrintable(probe.detail, harness);
    assert.deepEqual(harness.taken(), []);
  });

  for (const behaviour of ['refuses-credentials', 'is-busy', 'is-away', 'loses-its-answer', 'fails'] as const) {
    proves(`a probe finds a far side unready that ${words(behaviour)}, and says why`, async (harness) => {
      await harness.behave(behaviour);
      const probe = await harness.sink.probe(NEVER);
      assert.equal(probe.kind, 'unready');
      assert.equal(credentialsOf(probe), behaviour === 'refuses-credentials');
      assertPrintable(probe.detail, harness);
    });
  }

  proves('a probe that hangs ends once it is given up', async ({ sink, behave, untilAsked }) => {
    await behave('hangs');
    const giveUp = new AbortController();
    const probe = sink.probe(giveUp.signal);
    await untilAsked();
    giveUp.abort();
    assert.equal((await probe).kind, 'unready');
  });
}

const BEHAVIOURS = [
  'takes',
  'refuses',
  'refuses-credentials',
  'is-busy',
  'is-away',
  'loses-its-answer',
  'fails',
  'talks-nonsense',
] as const satisfies readonly Behaviour[];

function words(behaviour: Behaviour): string {
  return behaviour.replaceAll('-', ' ');
}

function credentialsOf(probe: Probe): boolean {
  return probe.kind === 'unready' && probe.credentials;
}

function assertPrintable(detail: string, { credential }: SinkHarness): void {
  assert.ok(detail.length > 0 && detail.length <= 500, `${detail.length} characters`);
  assert.doesNotMatch(detail, /[\p{Cc}\u2028\u2029]/u);
  if (credential !== undefined) assert.ok(!detail.includes(credential), detail);
}

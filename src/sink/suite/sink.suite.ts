import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { aClaim } from '../../../test/support/records.ts';
import type { Outcome } from '../../model/delivery.ts';
import type { Probe, Sink } from '../sink.ts';

/** How the far side of a sink behaves. */
export type Behaviour =
  /** It takes every event. */
  | 'takes'
  /** It answers that it will never take this event, in many lines that repeat the credential if there is one. */
  | 'rejects'
  /** It answers that our credentials are wrong, with a text as long. */
  | 'rejects-credentials'
  /** It answers that it takes no events now. */
  | 'is-busy'
  /** It cannot be reached. */
  | 'is-away'
  /** It takes the event, and the answer is lost. */
  | 'loses-its-answer'
  /** It takes the event, and answers with an error. */
  | 'fails'
  /** It takes the event, and its answer makes no sense. */
  | 'answers-nonsense'
  /** It never answers. */
  | 'hangs';

/** A sink under test, and the control over its far side. */
export interface SinkHarness {
  readonly sink: Sink;
  readonly behave: (behaviour: Behaviour) => Promise<void>;
  /** The ids of the events that the far side has, in the order in which it took them. */
  readonly taken: () => readonly string[];
  /** Resolves when an event or a probe has reached the far side while it hangs. */
  readonly untilAsked: () => Promise<void>;
  /** What no detail may contain; absent where there is none. */
  readonly credential?: string;
}

/** No case takes as long as an attempt may take. */
const HANG_MS = 20_000;

const NEVER = new AbortController().signal;

/** What every sink promises. `open` opens a sink for each test, and closes it when the test ends. */
export function sinkSuite(name: string, open: (t: TestContext) => Promise<SinkHarness>): void {
  const proves = (title: string, run: (harness: SinkHarness) => Promise<void>): void => {
    test(title, { timeout: HANG_MS }, async (t) => run(await open(t)));
  };
  describe(`${name}: deliver`, () => deliverSuite(proves));
  describe(`${name}: probe and preview`, () => probeSuite(proves));
}

type Proof = (title: string, run: (harness: SinkHarness) => Promise<void>) => void;

const EXPECTED: Readonly<Record<Exclude<Behaviour, 'hangs'>, readonly Outcome['kind'][]>> = {
  takes: ['delivered'],
  rejects: ['rejected'],
  'rejects-credentials': ['unavailable'],
  'is-busy': ['unavailable'],
  'is-away': ['unavailable'],
  'loses-its-answer': ['uncertain'],
  fails: ['uncertain'],
  'answers-nonsense': ['uncertain', 'delivered'],
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

  proves('only rejected credentials are reported as such', async ({ sink, behave }) => {
    for (const behaviour of BEHAVIOURS) {
      await behave(behaviour);
      const outcome = await sink.deliver(aClaim('a'), NEVER);
      const isOurs = outcome.kind === 'unavailable' && outcome.credentials === true;
      assert.equal(isOurs, behaviour === 'rejects-credentials', `${behaviour}: ${JSON.stringify(outcome)}`);
    }
  });

  proves('an attempt that hangs ends when it is aborted, and is uncertain', async (harness) => {
    await harness.behave('hangs');
    const giveUp = new AbortController();
    const outcome = harness.sink.deliver(aClaim('a'), giveUp.signal);
    await harness.untilAsked();
    giveUp.abort();
    assert.equal((await outcome).kind, 'uncertain');
  });

  proves('an attempt that was aborted before it began takes nothing', async ({ sink, behave, taken }) => {
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

  proves('of many concurrent attempts each gets its own answer', async ({ sink, behave, taken }) => {
    await behave('takes');
    const names = Array.from({ length: 64 }, (_, index) => `event-${index}`);
    const outcomes = await Promise.all(names.map((each) => sink.deliver(aClaim(each), NEVER)));
    assert.deepEqual(new Set(outcomes.map(({ kind }) => kind)), new Set(['delivered']));
    assert.deepEqual([...taken()].sort(), names.sort());
  });
}

function probeSuite(proves: Proof): void {
  proves('a preview sends nothing', async ({ sink, behave, taken }) => {
    await behave('takes');
    assert.equal(sink.preview(aClaim('a')).kind, 'message');
    await sink.deliver(aClaim('b'), NEVER);
    assert.deepEqual(taken(), ['b']);
  });

  proves('a probe of a far side that takes events is ready, and creates none', async (harness) => {
    await harness.behave('takes');
    const probe = await harness.sink.probe(NEVER);
    assert.equal(probe.kind, 'ready');
    assertPrintable(probe.detail, harness);
    assert.deepEqual(harness.taken(), []);
  });

  for (const behaviour of ['rejects-credentials', 'is-busy', 'is-away', 'loses-its-answer', 'fails'] as const) {
    proves(`a probe of a far side that ${words(behaviour)} is unready, with the reason`, async (harness) => {
      await harness.behave(behaviour);
      const probe = await harness.sink.probe(NEVER);
      assert.equal(probe.kind, 'unready');
      assert.equal(credentialsOf(probe), behaviour === 'rejects-credentials');
      assertPrintable(probe.detail, harness);
    });
  }

  proves('a probe that hangs ends when it is aborted', async ({ sink, behave, untilAsked }) => {
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
  'rejects',
  'rejects-credentials',
  'is-busy',
  'is-away',
  'loses-its-answer',
  'fails',
  'answers-nonsense',
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

import assert from 'node:assert/strict';
import { append, claimDue } from '../../../test/support/journal-steps.ts';
import { anAttempt, aRecord, UNAVAILABLE } from '../../../test/support/records.ts';
import type { Claim, Decision } from '../../model/delivery.ts';
import type { Journal, RecordState } from '../journal.ts';
import { LIMITS } from '../limits.ts';
import type { Harness } from './journal-harness.ts';

/** `reject` releases the key of the event; `dead-letter` does not. */
type CompletionKind = Decision['kind'] | 'reject';

export type Step =
  | { readonly kind: 'append'; readonly names: readonly string[] }
  | { readonly kind: 'claim'; readonly max: number }
  | { readonly kind: 'complete'; readonly claim: number; readonly decision: CompletionKind }
  | { readonly kind: 'renew'; readonly claim: number }
  | { readonly kind: 'redeliver'; readonly record: number }
  | { readonly kind: 'discard'; readonly record: number }
  | { readonly kind: 'advance'; readonly ticks: number }
  | { readonly kind: 'set-clock'; readonly wrongMs: number }
  | { readonly kind: 'crash' };

/** Time moves by multiples of it. Leases and retries end halfway between two, so that a millisecond decides nothing. */
export const TICK_MS = 50_000;
const RETRY_AFTER_MS = 75_000;

const STATE_AFTER: Readonly<Record<CompletionKind, RecordState>> = {
  complete: 'delivered',
  retry: 'pending',
  'dead-letter': 'dead-lettered',
  reject: 'dead-lettered',
};

interface Known {
  readonly name: string;
  readonly seq: number;
  state: RecordState;
  delivery: number;
  dueAt: number;
  lease: { readonly fence: number; readonly endsAt: number } | undefined;
}

/** The simplest thing that behaves like a journal. It takes each step together with the journal and compares the answers. */
export class JournalModel {
  journal: Journal;
  readonly #harness: Harness;
  readonly #byName = new Map<string, Known>();
  /** In order of their numbers. */
  readonly #known: Known[] = [];
  readonly #claims: Claim[] = [];
  #now = 0;

  constructor(harness: Harness) {
    this.journal = harness.journal;
    this.#harness = harness;
  }

  pending(): readonly number[] {
    return this.#known.filter(({ state }) => state === 'pending').map(({ seq }) => seq);
  }

  async take(step: Step): Promise<void> {
    switch (step.kind) {
      case 'append':
        return this.#append(step.names);
      case 'claim':
        return this.#claim(step.max);
      case 'complete':
        return this.#complete(pick(this.#claims, step.claim), step.decision);
      case 'renew':
        return this.#renew(pick(this.#claims, step.claim));
      case 'redeliver':
        return this.#redeliver(pick(this.#known, step.record));
      case 'discard':
        return this.#discard(pick(this.#known, step.record));
      case 'advance':
        return this.#advance(step.ticks);
      case 'set-clock':
        return this.#setClock(step.wrongMs);
      case 'crash':
        return this.#crash();
    }
  }

  async #append(names: readonly string[]): Promise<void> {
    const answers = await append(this.journal, ...names.map((name) => aRecord(name, this.#harness.now())));
    assert.equal(answers.length, names.length);
    for (const [index, name] of names.entries()) {
      const original = this.#byName.get(name);
      const answer = answers[index];
      if (original !== undefined) {
        assert.deepEqual(answer, { kind: 'duplicate', of: original.seq });
        continue;
      }
      assert.ok(answer?.kind === 'kept' && answer.seq > (this.#known.at(-1)?.seq ?? 0));
      const known: Known = { name, seq: answer.seq, state: 'pending', delivery: 1, dueAt: this.#now, lease: undefined };
      this.#byName.set(name, known);
      this.#known.push(known);
    }
  }

  async #claim(max: number): Promise<void> {
    const due = new Map(this.#known.filter((known) => this.#isDue(known)).map((known) => [known.seq, known]));
    if (due.size === 0) return;
    const claims = await claimDue(this.journal, max);
    assert.ok(claims.length >= 1 && claims.length <= max, `${claims.length} of at most ${max} were claimed`);
    for (const claim of claims) {
      const known = due.get(claim.seq) ?? assert.fail(`${claim.seq} was claimed, but is not due, or claimed already`);
      due.delete(claim.seq);
      assert.equal(claim.delivery, known.delivery);
      known.lease = { fence: claim.fence, endsAt: this.#now + LIMITS.leaseMs };
      this.#claims.push(claim);
    }
  }

  async #complete(claim: Claim | undefined, kind: CompletionKind): Promise<void> {
    if (claim === undefined) return;
    const { seq, fence, history } = claim;
    const startedAt = this.#harness.now();
    const decisions: Readonly<Record<CompletionKind, Decision>> = {
      complete: { kind: 'complete' },
      retry: { kind: 'retry', at: this.journal.time() + RETRY_AFTER_MS, history },
      'dead-letter': { kind: 'dead-letter', reason: 'expired' },
      reject: { kind: 'dead-letter', reason: 'rejected' },
    };
    const attempt = anAttempt(startedAt, UNAVAILABLE);
    const known = this.#held(claim);
    assert.equal(await this.journal.complete({ seq, fence, attempt, decision: decisions[kind] }), known !== undefined);
    if (known === undefined) return;
    known.state = STATE_AFTER[kind];
    known.dueAt = this.#now + RETRY_AFTER_MS;
    known.lease = undefined;
    if (kind === 'reject' && this.#byName.get(known.name) === known) this.#byName.delete(known.name);
  }

  async #renew(claim: Claim | undefined): Promise<void> {
    const known = claim && this.#held(claim);
    if (claim === undefined || known === undefined) return;
    await this.journal.renew([claim]);
    known.lease = { fence: claim.fence, endsAt: this.#now + LIMITS.leaseMs };
  }

  async #redeliver(known: Known | undefined): Promise<void> {
    if (known === undefined) return;
    const isCompleted = known.state !== 'pending';
    assert.equal(await this.journal.redeliver(known.seq), isCompleted);
    if (!isCompleted) return;
    if (!this.#byName.has(known.name)) this.#byName.set(known.name, known);
    known.state = 'pending';
    known.delivery += 1;
    known.dueAt = this.#now;
  }

  async #discard(known: Known | undefined): Promise<void> {
    if (known === undefined) return;
    assert.equal(await this.journal.discard(known.seq, 'alice'), known.state === 'dead-lettered');
    if (known.state === 'dead-lettered') known.state = 'discarded';
  }

  async #advance(ticks: number): Promise<void> {
    await this.#harness.advance(ticks * TICK_MS);
    this.#now += ticks * TICK_MS;
  }

  /** Pruning writes down that it was set, as it would within seconds. By then nothing is old. */
  async #setClock(wrongMs: number): Promise<void> {
    this.#harness.setClock(wrongMs);
    assert.equal((await this.journal.prune()).gone, 0);
  }

  async #crash(): Promise<void> {
    if (!this.#harness.durable) return;
    this.journal = await this.#harness.reopen();
    for (const known of this.#known) known.lease = undefined;
  }

  #isDue({ state, lease, dueAt }: Known): boolean {
    return state === 'pending' && (lease?.endsAt ?? dueAt) <= this.#now;
  }

  /** The record, if that claim is its latest. */
  #held({ seq, fence }: Claim): Known | undefined {
    const known = this.#known.find((each) => each.seq === seq);
    return known?.lease?.fence === fence ? known : undefined;
  }
}

function pick<T>(from: readonly T[], index: number): T | undefined {
  return from.at(-1 - (index % Math.max(from.length, 1)));
}

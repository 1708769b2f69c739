import type { Claim, Outcome } from '../../src/model/delivery.ts';
import type { Probe, Sink } from '../../src/sink/sink.ts';
import { Changes } from './changes.ts';
import { DELIVERED } from './records.ts';

/** What a scripted sink does with an claim; `hang`: nothing, until it is given up. */
export type Answer = Outcome | 'hang' | Promise<Outcome>;

export const READY: Probe = { kind: 'ready', detail: 'it takes events' };

/** A sink within the process: keeps every promise of the port, and beyond that does what a test wants. */
export class ScriptedSink implements Sink {
  /** In the order in which they came. */
  readonly claims: Claim[] = [];
  /** Those that it has taken. */
  readonly taken: string[] = [];
  probes = 0;
  running = 0;
  /** The most attempts that ran at a time. */
  mostRunning = 0;
  onDeliver: (claim: Claim) => Answer = () => DELIVERED;
  onProbe: () => Probe | 'hang' = () => READY;
  readonly #changes = new Changes();

  async deliver(claim: Claim, signal: AbortSignal): Promise<Outcome> {
    this.claims.push(claim);
    this.running += 1;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    try {
      const outcome = signal.aborted ? NOT_SENT : await this.#answer(claim, signal);
      if (outcome.kind === 'delivered') this.taken.push(claim.event.id);
      return outcome;
    } finally {
      this.running -= 1;
      this.#changes.tell();
    }
  }

  async probe(signal: AbortSignal): Promise<Probe> {
    this.probes += 1;
    this.#changes.tell();
    const probe = this.onProbe();
    if (probe !== 'hang') return probe;
    await aborted(signal);
    return { kind: 'unready', detail: 'given up', credentials: false };
  }

  async close(): Promise<void> {
    // There is nothing to close.
  }

  get ids(): readonly string[] {
    return this.claims.map(({ event }) => event.id);
  }

  /** Resolves once the condition holds; it is looked at whenever something changes here. */
  async until(condition: (sink: this) => boolean): Promise<void> {
    await this.#changes.until(
      () => (condition(this) ? true : undefined),
      () => `${condition}; emitted: ${this.ids.join(', ')}; taken: ${this.taken.join(', ')}`,
    );
  }

  async #answer(claim: Claim, signal: AbortSignal): Promise<Outcome> {
    const answer = this.onDeliver(claim);
    this.#changes.tell();
    const givenUp = aborted(signal).then(() => GIVEN_UP);
    return answer === 'hang' ? givenUp : Promise.race([answer, givenUp]);
  }
}

const GIVEN_UP: Outcome = { kind: 'uncertain', detail: 'given up' };
const NOT_SENT: Outcome = { kind: 'unavailable', detail: 'given up beforehand' };

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

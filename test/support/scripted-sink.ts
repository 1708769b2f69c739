import type { Claim, Outcome } from '../../src/model/delivery.ts';
import type { Deliverable, Message, Probe, Sink } from '../../src/sink/sink.ts';
import { Changes } from './changes.ts';
import { DELIVERED } from './records.ts';

/** How a scripted sink answers an attempt. `hang`: not before the attempt is aborted. */
export type Answer = Outcome | 'hang' | Promise<Outcome>;

export const READY: Probe = { kind: 'ready', detail: 'it takes events' };

/** A sink within the process. It keeps every promise of the port; a test sets its answers. */
export class ScriptedSink implements Sink {
  /** The claims of all attempts, in order. */
  readonly claims: Claim[] = [];
  /** The ids of the delivered events. */
  readonly taken: string[] = [];
  probes = 0;
  running = 0;
  /** The most attempts that ran at the same time. */
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
      this.#changes.notify();
    }
  }

  preview({ payload }: Deliverable): Message {
    return { kind: 'message', headers: {}, body: payload };
  }

  async probe(signal: AbortSignal): Promise<Probe> {
    this.probes += 1;
    this.#changes.notify();
    const probe = this.onProbe();
    if (probe !== 'hang') return probe;
    await aborted(signal);
    return { kind: 'unready', detail: 'aborted', credentials: false };
  }

  async close(): Promise<void> {
    // There is nothing to close.
  }

  get ids(): readonly string[] {
    return this.claims.map(({ event }) => event.id);
  }

  /** Resolves when the condition holds. It is checked after every change here. */
  async until(condition: (sink: this) => boolean): Promise<void> {
    await this.#changes.until(
      () => (condition(this) ? true : undefined),
      () => `${condition}; attempted: ${this.ids.join(', ')}; taken: ${this.taken.join(', ')}`,
    );
  }

  async #answer(claim: Claim, signal: AbortSignal): Promise<Outcome> {
    const answer = this.onDeliver(claim);
    this.#changes.notify();
    const isAborted = aborted(signal).then(() => ABORTED);
    return answer === 'hang' ? isAborted : Promise.race([answer, isAborted]);
  }
}

const ABORTED: Outcome = { kind: 'uncertain', detail: 'aborted' };
const NOT_SENT: Outcome = { kind: 'unavailable', detail: 'aborted before it began' };

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

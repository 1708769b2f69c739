import type { Context } from 'hono';
import { type SSEStreamingApi, streamSSE } from 'hono/streaming';
import type { Access, AdminEnv } from '../access.ts';
import { LIMITS } from '../limits.ts';
import type { Operator } from '../operator.ts';
import { statsOf, summaryOf } from './answers.ts';

/**
 * `GET /api/stream`: server-sent events. `stats`, every two seconds, is what `GET /api/stats` answers; `event` is an event of
 * `GET /api/events` that was received or attempted since. Where many change, the newest of them are sent.
 */
export class Stream {
  readonly #operator: Operator;
  readonly #access: Access;
  #clients = 0;

  constructor(operator: Operator, access: Access) {
    this.#operator = operator;
    this.#access = access;
  }

  open(c: Context<AdminEnv>): Response {
    if (this.#clients >= LIMITS.maxStreams)
      return c.json({ error: `${LIMITS.maxStreams} streams are open already` }, 503);
    this.#clients += 1;
    return streamSSE(c, async (stream) => {
      const changed = new Set<number>();
      const stop = this.#operator.onEvent((seq) => noteChange(changed, seq));
      try {
        // Whoever lost its token or session in the meantime gets no more.
        while (!stream.aborted && this.#access.identify(c) !== undefined) {
          await this.#send(stream, changed);
          await stream.sleep(LIMITS.streamMs);
        }
      } finally {
        stop();
        this.#clients -= 1;
      }
    });
  }

  async #send(stream: SSEStreamingApi, changed: Set<number>): Promise<void> {
    const seqs = [...changed];
    changed.clear();
    for (const seq of seqs) {
      const record = await this.#operator.summary(seq);
      if (record !== undefined) await stream.writeSSE({ event: 'event', data: JSON.stringify(summaryOf(record)) });
    }
    await stream.writeSSE({ event: 'stats', data: JSON.stringify(statsOf(await this.#operator.overview())) });
  }
}

/** Keeps the newest. */
function noteChange(changed: Set<number>, seq: number): void {
  changed.delete(seq);
  changed.add(seq);
  const [oldest] = changed;
  if (changed.size > LIMITS.maxStreamedEvents && oldest !== undefined) changed.delete(oldest);
}

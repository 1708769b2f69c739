import { setTimeout as sleep } from 'node:timers/promises';
import { Changes } from './changes.ts';
import type { Cleanup } from './stub-brigade.ts';
import { exchange, type HttpAnswer } from './webhooks.ts';

/** Event Grid's own waits are 10 s, 30 s, 1 min, 5 min, …; the last one here repeats. */
const RETRY_MS = [10, 30, 60, 300];

/** Its default, after which an event is dead-lettered, or dropped. */
const MAX_ATTEMPTS = 30;

/** What it calls a success; any other 2xx is a failure. */
const SUCCESSES: ReadonlySet<number> = new Set([200, 201, 202, 203, 204]);

/** Never tried again (learn.microsoft.com/azure/event-grid/delivery-and-retry). */
const FINAL: ReadonlySet<number> = new Set([400, 401, 403, 413]);

const TOPIC =
  '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/example/providers/Microsoft.ContainerRegistry/registries/example';

export interface GridEvent {
  readonly id: string;
  readonly eventType: string;
  readonly data: unknown;
}

/** A push in Event Grid's format; the native event has the same id. */
export function aGridPush(id: string, data: object = {}): GridEvent {
  return aGridEvent(id, {
    id,
    timestamp: '2026-11-22T12:00:00.1234567Z',
    action: 'push',
    location: 'westeurope',
    target: {
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      size: 524,
      digest: `sha256:${Buffer.from(id).toString('hex').padEnd(64, '0').slice(0, 64)}`,
      length: 524,
      repository: 'hello-world',
      tag: 'v1',
    },
    request: { id: 'r', host: 'example.azurecr.io', method: 'PUT', useragent: 'docker/27.0' },
    ...data,
  });
}

export function aGridEvent(id: string, data: unknown): GridEvent {
  const eventType = 'Microsoft.ContainerRegistry.ImagePushed';
  const rest = {
    subject: 'hello-world:v1',
    eventTime: '2026-11-22T12:00:01Z',
    dataVersion: '2.0',
    metadataVersion: '1',
  };
  return Object.assign({ id, topic: TOPIC, eventType, data }, rest);
}

/** Delivers to one endpoint as Event Grid is documented to, with waits that are a thousand times shorter. */
export class EventGrid {
  /** The port that it sends to; it may change, as the address of a name may. */
  port: number;
  /** Sent with every delivery. */
  headers: Readonly<Record<string, string>>;
  readonly delivered: string[] = [];
  readonly deadLettered: string[] = [];
  /** Of every attempt; 0 if there was no answer. */
  readonly statuses: number[] = [];
  readonly #changes = new Changes();
  #isOver = false;

  constructor(t: Cleanup, { port, headers }: Pick<EventGrid, 'port' | 'headers'>) {
    this.port = port;
    this.headers = headers;
    t.after(() => {
      this.#isOver = true;
    });
  }

  /** Sends the validation of a new subscription; resolves to the answer. */
  validate(code: string, headers = this.headers): Promise<HttpAnswer> {
    const data = { validationCode: code, validationUrl: 'https://rp-westeurope.eventgrid.azure.net:553/validate?id=1' };
    const event = {
      id: 'v',
      topic: TOPIC,
      subject: '',
      data,
      eventType: 'Microsoft.EventGrid.SubscriptionValidationEvent',
    };
    return this.#post([event], 'SubscriptionValidation', headers);
  }

  /** Delivers a batch as a whole or not at all; resolves once it is delivered or dead-lettered. */
  async publish(events: readonly GridEvent[]): Promise<void> {
    const ids = events.map(({ id }) => id);
    for (let attempt = 0; attempt < MAX_ATTEMPTS && !this.#isOver; attempt++) {
      const status = await this.#post(events, 'Notification').then(
        (answer) => answer.status,
        () => 0,
      );
      this.statuses.push(status);
      if (SUCCESSES.has(status)) this.delivered.push(...ids);
      this.#changes.notify();
      if (SUCCESSES.has(status)) return;
      if (FINAL.has(status)) break;
      await sleep(RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)]);
    }
    this.deadLettered.push(...ids);
    this.#changes.notify();
  }

  async untilTried(status: number): Promise<void> {
    await this.#changes.until(
      () => this.statuses.includes(status) || undefined,
      () => `an answer of ${status}, there were ${this.statuses.join(', ')}`,
    );
  }

  #post(events: readonly unknown[], type: string, headers = this.headers): Promise<HttpAnswer> {
    const ours = {
      'content-type': 'application/json; charset=utf-8',
      'aeg-event-type': type,
      'aeg-subscription-name': 'TO-BRIGADE',
      'aeg-delivery-count': '0',
      'aeg-data-version': '2.0',
      'aeg-metadata-version': '1',
    };
    return exchange(this.port, { headers: { ...ours, ...headers }, body: JSON.stringify(events) });
  }
}

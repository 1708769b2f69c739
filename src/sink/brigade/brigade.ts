import { API_VERSION, type BrigadeEvent } from 'brigade-api/event';
import type { Claim, CreatedEvent, Outcome } from '../../model/delivery.ts';
import { oneLine, retryAfter } from '../answer.ts';
import type { HttpClient, HttpResult } from '../http-client.ts';
import type { Probe, Sink } from '../sink.ts';
import { type LabelRule, SOURCE, toBrigadeEvent } from './event-mapping.ts';

/** Characters. */
const PRINCIPAL_LENGTH = 200;

/**
 * An event that nobody can be subscribed to, for a project that cannot exist: Brigade checks token, role and source,
 * finds no subscriber, stores nothing and answers 201 with an empty list.
 */
const PREFLIGHT: BrigadeEvent = {
  kind: 'Event',
  apiVersion: API_VERSION,
  metadata: {},
  projectID: 'acr-gateway-preflight-3f9c2b7d5e8a4016b1d2c7e90f64a58b3c1d7e2f',
  source: SOURCE,
  type: 'preflight',
};

/** What each status means (design: one table). Whatever is not here is told by its hundreds. */
const OUTCOMES: ReadonlyMap<number, Outcome['kind']> = new Map([
  [201, 'delivered'],
  [400, 'rejected'],
  [404, 'rejected'],
  [409, 'rejected'],
  [413, 'rejected'],
  [422, 'rejected'],
  [502, 'unavailable'],
  [503, 'unavailable'],
  [504, 'unavailable'],
]);

/** Emits into the event bus of Brigade 2. */
export class BrigadeSink implements Sink {
  readonly #client: () => HttpClient;
  readonly #now: () => number;
  #labelRule: LabelRule = 'since-2.6';

  /** `client` is asked anew for every request: it changes when the certificate authority does. */
  constructor(options: { readonly client: () => HttpClient; readonly now: () => number }) {
    this.#client = options.client;
    this.#now = options.now;
  }

  async deliver(claim: Claim, signal: AbortSignal): Promise<Outcome> {
    const rule = this.#labelRule;
    const outcome = await this.#deliver(claim, rule, signal);
    if (rule === 'before-2.6' || outcome.kind !== 'rejected' || !LABEL_TOO_LONG.test(outcome.detail)) return outcome;
    this.#labelRule = 'before-2.6';
    return this.#deliver(claim, 'before-2.6', signal);
  }

  async probe(signal: AbortSignal): Promise<Probe> {
    // It may have been upgraded meanwhile.
    this.#labelRule = 'since-2.6';
    const who = await this.#client().exchange({ method: 'GET', path: '/v2/whoami' }, signal);
    if (who.kind !== 'answered' || who.status !== 200) return unready('whoami', who);
    const request = { method: 'POST', path: '/v2/events', body: JSON.stringify(PREFLIGHT) } as const;
    const created = await this.#client().exchange(request, signal);
    // Up to v2.3 a project that does not exist is a 404, after the role was checked.
    const isReady = created.kind === 'answered' && (created.status === 201 || created.status === 404);
    if (!isReady) return unready(`creating an event of source ${SOURCE} as ${principal(who.body)}`, created);
    return { kind: 'ready', detail: `${principal(who.body)} may create events of source ${SOURCE}` };
  }

  async close(): Promise<void> {
    await this.#client().close();
  }

  async #deliver(claim: Claim, rule: LabelRule, signal: AbortSignal): Promise<Outcome> {
    const mapping = toBrigadeEvent(claim, rule);
    if (mapping.kind === 'unmappable') return { kind: 'rejected', detail: mapping.detail };
    const body = JSON.stringify(mapping.event);
    const exchange = await this.#client().exchange({ method: 'POST', path: '/v2/events', body }, signal);
    const outcome = outcomeOf(exchange, this.#now);
    if (outcome.kind !== 'delivered' || mapping.leftOut.length === 0) return outcome;
    return { ...outcome, note: `left out, not legal as a label: ${mapping.leftOut.join(', ')}` };
  }
}

/** `labels.repo: String length must be less than or equal to 63` */
const LABEL_TOO_LONG = /\blabels\.[\w-]+: String length must be less than or equal to 63\b/;

function outcomeOf(exchange: HttpResult, now: () => number): Outcome {
  if (exchange.kind === 'unsent') return { kind: 'unavailable', detail: exchange.detail };
  if (exchange.kind === 'broken') return { kind: 'uncertain', detail: exchange.detail };
  const { status, headers } = exchange;
  const kind = OUTCOMES.get(status) ?? outcomeByHundreds(status);
  if (kind === 'delivered') return delivered(exchange);
  const detail = describeAnswer(exchange);
  if (kind !== 'unavailable') return { kind, detail };
  const retryAfterMs = retryAfter(headers['retry-after'], now);
  const credentials = status === 401 || status === 403;
  return {
    kind,
    detail,
    ...(credentials ? { credentials } : {}),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

/**
 * Statuses that Brigade itself never answers come from what stands before it. A redirection or a client error of any
 * other kind was not passed on; a success that is not 201, or another server error, may have been.
 */
function outcomeByHundreds(status: number): 'unavailable' | 'uncertain' {
  return status >= 300 && status < 500 ? 'unavailable' : 'uncertain';
}

function delivered({ body, isCut }: Extract<HttpResult, { kind: 'answered' }>): Outcome {
  if (isCut)
    return { kind: 'delivered', created: [], note: 'the answer was too long to read which events were created' };
  const created = createdEvents(body);
  if (created !== undefined) return { kind: 'delivered', created };
  return { kind: 'uncertain', detail: '201 with a body that is not an event list' };
}

/** Undefined for what is not Brigade's list of events. */
function createdEvents(body: string): CreatedEvent[] | undefined {
  const list = parse(body);
  if (list?.kind !== 'EventList') return undefined;
  const items: unknown = list.items ?? [];
  if (!Array.isArray(items)) return undefined;
  return items.map((item) => ({ id: textOf(item?.metadata?.id), project: textOf(item?.projectID) }));
}

/** Of any value: what JSON makes of an object may not even be turned into a text. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function unready(what: string, exchange: HttpResult): Probe {
  if (exchange.kind !== 'answered') return { kind: 'unready', detail: exchange.detail, credentials: false };
  const credentials = exchange.status === 401 || exchange.status === 403;
  return { kind: 'unready', detail: oneLine(`${what}: ${describeAnswer(exchange)}`), credentials };
}

/** `service account "brigade-acr-gateway"` */
function principal(body: string): string {
  const { type, id } = parse(body) ?? {};
  const kind = textOf(type).toLowerCase().replace('_', ' ') || 'principal';
  return oneLine(`${kind} "${textOf(id) || '?'}"`).slice(0, PRINCIPAL_LENGTH);
}

/** Status, and Brigade's reason and details. Of a body that is not Brigade's nothing is repeated: it may be anything. */
function describeAnswer({ status, body }: Extract<HttpResult, { kind: 'answered' }>): string {
  const { reason, details } = parse(body) ?? {};
  const parts = [reason, ...(Array.isArray(details) ? details : [])].filter((part) => typeof part === 'string');
  const text = parts.length === 0 ? '' : ` ${parts.join('; ')}`;
  return oneLine(`${status}${text}`);
}

interface BrigadeAnswer {
  readonly kind?: unknown;
  readonly items?: unknown;
  readonly reason?: unknown;
  readonly details?: unknown;
  readonly type?: unknown;
  readonly id?: unknown;
}

function parse(body: string): BrigadeAnswer | undefined {
  try {
    const json: unknown = JSON.parse(body);
    return typeof json === 'object' && json !== null ? json : undefined;
  } catch {
    return undefined;
  }
}

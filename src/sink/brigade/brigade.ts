import { API_VERSION, type BrigadeEvent } from 'brigade-api/event';
import { subscribers } from 'brigade-api/matching';
import { describeNearMatch, nearMatches } from 'brigade-api/near-matches';
import { type Clock, systemClock } from '../../model/clock.ts';
import type { Claim, CreatedEvent, Outcome } from '../../model/delivery.ts';
import { imageName, type RegistryEvent } from '../../model/registry-event.ts';
import type { WhyNot } from '../../model/why-not.ts';
import {
  type HttpAnswer,
  type HttpClient,
  type HttpResult,
  rejectsCredentials,
  unanswered,
  unavailable,
} from '../http-client.ts';
import {
  type Deliverable,
  type Explainer,
  type Message,
  oneLine,
  type Probe,
  type Sink,
  tracedHeaders,
} from '../sink.ts';
import { parse, textOf } from './answers.ts';
import { type LabelRule, SOURCE, toBrigadeEvent } from './event-mapping.ts';
import { SubscribedProjects } from './subscribed-projects.ts';

/** Characters. */
const PRINCIPAL_LENGTH = 200;

/**
 * An event for a project that cannot exist: Brigade checks token, role and source, finds no subscriber, stores nothing and
 * answers 201 with an empty list.
 */
const PREFLIGHT: BrigadeEvent = {
  kind: 'Event',
  apiVersion: API_VERSION,
  metadata: {},
  projectID: 'acr-gateway-preflight-3f9c2b7d5e8a4016b1d2c7e90f64a58b3c1d7e2f',
  source: SOURCE,
  type: 'preflight',
};

/** The outcome for each status that Brigade itself answers. `outcomeOfOther` decides for all others. */
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

const JSON_HEADERS = { accept: 'application/json', 'content-type': 'application/json' };

interface Attempt {
  readonly claim: Claim;
  readonly traceparent: string | undefined;
  readonly signal: AbortSignal;
}

/** How many subscriptions that nearly match an event are shown. */
const MAX_NEAREST = 3;

/** For the question who we are, milliseconds. */
const WHOAMI_MS = 5_000;

/** Delivers to the event bus of Brigade 2. */
export class BrigadeSink implements Sink, Explainer {
  readonly #client: HttpClient;
  readonly #projects: SubscribedProjects;
  #labelRule: LabelRule = 'since-2.6';

  /** `clock`: by which the list of projects becomes old. */
  constructor(client: HttpClient, clock: Pick<Clock, 'tick'> = systemClock) {
    this.#client = client;
    this.#projects = new SubscribedProjects(client, clock);
  }

  async deliver(claim: Claim, signal: AbortSignal, traceparent = claim.traceparent): Promise<Outcome> {
    const rule = this.#labelRule;
    const attempt = { claim, traceparent, signal };
    const outcome = await this.#attempt(attempt, rule);
    if (rule === 'before-2.6' || outcome.kind !== 'rejected' || !LABEL_TOO_LONG.test(outcome.detail)) return outcome;
    this.#labelRule = 'before-2.6';
    return this.#attempt(attempt, 'before-2.6');
  }

  preview(event: Deliverable): Message {
    return messageFor(event, this.#labelRule);
  }

  async probe(signal: AbortSignal): Promise<Probe> {
    // Brigade may have been upgraded meanwhile.
    this.#labelRule = 'since-2.6';
    const who = await this.#client.send({ method: 'GET', path: '/v2/whoami' }, signal);
    if (who.kind !== 'answered' || who.status !== 200) return unready('whoami', who);
    const request = { method: 'POST', path: '/v2/events', body: JSON.stringify(PREFLIGHT) } as const;
    const created = await this.#client.send(request, signal);
    // Up to v2.3 Brigade checks the role, and then answers 404 for a project that does not exist.
    const isReady = created.kind === 'answered' && (created.status === 201 || created.status === 404);
    if (!isReady) return unready(`creating an event of source ${SOURCE} as ${principal(who.body)}`, created);
    return { kind: 'ready', detail: `${principal(who.body)} may create events of source ${SOURCE}` };
  }

  async explain(event: RegistryEvent): Promise<WhyNot> {
    const reason = `no project subscribes to ${event.action} ${imageName({ ...event, digest: undefined })}`;
    const mapping = toBrigadeEvent({ event, payload: '', delivery: 1 }, this.#labelRule);
    if (mapping.kind === 'unmappable') return because(reason, mapping.detail);
    const read = await this.#projects.current();
    if (read.kind === 'forbidden') return because(reason, await this.#howToGrant());
    if (read.kind === 'unavailable') return because(reason, `the projects cannot be read: ${read.detail}`);
    const { projects, isCut } = read;
    const [subscriber] = subscribers(projects, mapping.event);
    if (subscriber !== undefined) {
      return because(`project ${subscriber.metadata.id} subscribes to it now`, 'redeliver the event to start it');
    }
    const nearest = nearMatches(projects, mapping.event, MAX_NEAREST).map((each) => oneLine(describeNearMatch(each)));
    return { reason: isCut ? oneLine(`${reason}, among the first ${projects.length}`) : oneLine(reason), nearest };
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  async #howToGrant(): Promise<string> {
    const request = { method: 'GET', path: '/v2/whoami' } as const;
    const who = await this.#client.send(request, AbortSignal.timeout(WHOAMI_MS));
    const account = who.kind === 'answered' ? textOf(parse(who.body)?.id) : '';
    return `to see which subscriptions nearly match, let the gateway read projects: brig role grant READER --service-account ${account || 'NAME'}`;
  }

  async #attempt({ claim, traceparent, signal }: Attempt, rule: LabelRule): Promise<Outcome> {
    const message = messageFor(claim, rule);
    if (message.kind === 'unmappable') return { kind: 'rejected', detail: message.detail };
    const { headers, body, note } = message;
    const request = { method: 'POST', path: '/v2/events', headers: tracedHeaders(headers, traceparent), body } as const;
    const outcome = outcomeOf(await this.#client.send(request, signal));
    return outcome.kind === 'delivered' && note !== undefined ? { ...outcome, note } : outcome;
  }
}

function because(reason: string, more: string): WhyNot {
  return { reason: oneLine(`${reason}; ${more}`), nearest: [] };
}

/** What Brigade would be sent for the event. */
export function messageFor(event: Deliverable, rule: LabelRule): Message {
  const mapping = toBrigadeEvent(event, rule);
  if (mapping.kind === 'unmappable') return mapping;
  const { leftOut } = mapping;
  return {
    kind: 'message',
    headers: JSON_HEADERS,
    body: JSON.stringify(mapping.event),
    ...(leftOut.length === 0 ? {} : { note: `left out, not legal as a label: ${leftOut.join(', ')}` }),
  };
}

/** `labels.repo: String length must be less than or equal to 63` */
const LABEL_TOO_LONG = /\blabels\.[\w-]+: String length must be less than or equal to 63\b/;

function outcomeOf(result: HttpResult): Outcome {
  if (result.kind !== 'answered') return unanswered(result);
  const kind = OUTCOMES.get(result.status) ?? outcomeOfOther(result.status);
  if (kind === 'delivered') return delivered(result);
  const detail = describeAnswer(result);
  return kind === 'unavailable' ? unavailable(result, detail) : { kind, detail };
}

/**
 * Brigade does not answer these statuses itself: a proxy does. It did not pass on a request that it redirected or answered
 * with a client error. It may have passed on one with another success or server error.
 */
function outcomeOfOther(status: number): 'unavailable' | 'uncertain' {
  return status >= 300 && status < 500 ? 'unavailable' : 'uncertain';
}

function delivered({ body, isCut }: HttpAnswer): Outcome {
  if (isCut)
    return { kind: 'delivered', created: [], note: 'the answer was too long to read which events were created' };
  const created = createdEvents(body);
  if (created !== undefined) return { kind: 'delivered', created };
  return { kind: 'uncertain', detail: '201 with a body that is not an event list' };
}

/** Undefined unless the body is Brigade's list of events. */
function createdEvents(body: string): CreatedEvent[] | undefined {
  const list = parse(body);
  if (list?.kind !== 'EventList') return undefined;
  const items: unknown = list.items ?? [];
  if (!Array.isArray(items)) return undefined;
  return items.map((item) => ({ id: textOf(item?.metadata?.id), project: textOf(item?.projectID) }));
}

function unready(what: string, result: HttpResult): Probe {
  if (result.kind !== 'answered') return { kind: 'unready', detail: result.detail, credentials: false };
  const detail = oneLine(`${what}: ${describeAnswer(result)}`);
  return { kind: 'unready', detail, credentials: rejectsCredentials(result) };
}

/** `service account "brigade-acr-gateway"` */
function principal(body: string): string {
  const { type, id } = parse(body) ?? {};
  const kind = textOf(type).toLowerCase().replace('_', ' ') || 'principal';
  return oneLine(`${kind} "${textOf(id) || '?'}"`).slice(0, PRINCIPAL_LENGTH);
}

/** Status, and Brigade's reason and details. A body that is not Brigade's is not repeated: it may be anything. */
function describeAnswer({ status, body }: HttpAnswer): string {
  const { reason, details } = parse(body) ?? {};
  const parts = [reason, ...(Array.isArray(details) ? details : [])].filter((part) => typeof part === 'string');
  const text = parts.length === 0 ? '' : ` ${parts.join('; ')}`;
  return oneLine(`${status}${text}`);
}

import type { Subscription } from 'brigade-api/event';
import type { Subscriber } from 'brigade-api/matching';
import type { Clock } from '../../model/clock.ts';
import { type HttpClient, rejectsCredentials } from '../http-client.ts';
import { oneLine } from '../sink.ts';
import { isObject, parse, textOf } from './answers.ts';

/** For how long what Brigade answered is reused, milliseconds. */
const REUSE_MS = 60_000;

/** For all pages together, milliseconds. */
const READ_MS = 15_000;

/** A project has its scripts in it, so that a page of them may be large: Brigade's own default. */
const PAGE_SIZE = 20;

/** What is further down the list, by the ids of the projects, is not read. */
const MAX_PROJECTS = 1000;
const MAX_CHARACTERS = 16 * 1024 * 1024;

/** Of one project. */
const MAX_SUBSCRIPTIONS = 100;

/** The projects of Brigade, as far as they could be read. */
export type Projects =
  | { readonly kind: 'projects'; readonly projects: readonly Subscriber[]; readonly isCut: boolean }
  /** The gateway's service account has not the role READER. */
  | { readonly kind: 'forbidden' }
  | { readonly kind: 'unavailable'; readonly detail: string };

/** Which projects Brigade has, and what they subscribe to. It is asked when someone wants to know, and once a minute at most. */
export class SubscribedProjects {
  readonly #client: HttpClient;
  readonly #clock: Pick<Clock, 'tick'>;
  #read: Promise<Projects> | undefined;
  #reusedUntil = 0;

  constructor(client: HttpClient, clock: Pick<Clock, 'tick'>) {
    this.#client = client;
    this.#clock = clock;
  }

  /** Always resolves. */
  current(): Promise<Projects> {
    if (this.#read === undefined || this.#clock.tick() >= this.#reusedUntil) {
      this.#reusedUntil = this.#clock.tick() + REUSE_MS;
      this.#read = this.#readAll(AbortSignal.timeout(READ_MS));
    }
    return this.#read;
  }

  async #readAll(signal: AbortSignal): Promise<Projects> {
    const projects: Subscriber[] = [];
    let characters = 0;
    let next: string | undefined = '';
    while (next !== undefined) {
      const path: string = `/v2/projects?limit=${PAGE_SIZE}&continue=${encodeURIComponent(next)}`;
      const answer = await this.#client.send({ method: 'GET', path }, signal);
      if (answer.kind !== 'answered') return { kind: 'unavailable', detail: answer.detail };
      if (rejectsCredentials(answer)) return { kind: 'forbidden' };
      if (answer.isCut) return { kind: 'projects', projects, isCut: true };
      const page = answer.status === 200 ? pageOf(answer.body) : undefined;
      if (page === undefined) return { kind: 'unavailable', detail: oneLine(`Brigade answered ${answer.status}`) };
      projects.push(...page.projects);
      characters += answer.body.length;
      next = page.next;
      if (projects.length >= MAX_PROJECTS || characters >= MAX_CHARACTERS)
        return { kind: 'projects', projects, isCut: next !== undefined };
    }
    return { kind: 'projects', projects, isCut: false };
  }
}

interface Page {
  readonly projects: readonly Subscriber[];
  readonly next: string | undefined;
}

/** Undefined unless the body is Brigade's list of projects. */
function pageOf(body: string): Page | undefined {
  const list = parse(body);
  if (list?.kind !== 'ProjectList') return undefined;
  const { metadata } = list;
  const items: unknown = list.items ?? [];
  if (!Array.isArray(items)) return undefined;
  const next = isObject(metadata) ? textOf(metadata['continue']) : '';
  return { projects: items.map(subscriberOf), next: next === '' || items.length === 0 ? undefined : next };
}

/** Of a project only what decides which events it gets: the rest of it is large. */
function subscriberOf(project: unknown): Subscriber {
  const { metadata, spec } = isObject(project) ? project : {};
  const subscriptions = isObject(spec) ? spec['eventSubscriptions'] : undefined;
  const list = Array.isArray(subscriptions) ? subscriptions.slice(0, MAX_SUBSCRIPTIONS) : [];
  return {
    metadata: { id: isObject(metadata) ? textOf(metadata['id']) : '' },
    spec: { eventSubscriptions: list.flatMap(subscriptionOf) },
  };
}

function subscriptionOf(subscription: unknown): Subscription[] {
  if (!isObject(subscription)) return [];
  const { source, types, qualifiers, labels } = subscription;
  return [
    {
      source: textOf(source),
      types: Array.isArray(types) ? types.map(textOf) : [],
      qualifiers: pairsOf(qualifiers),
      labels: pairsOf(labels),
    },
  ];
}

function pairsOf(pairs: unknown): Readonly<Record<string, string>> {
  return isObject(pairs) ? Object.fromEntries(Object.entries(pairs).map(([key, value]) => [key, textOf(value)])) : {};
}

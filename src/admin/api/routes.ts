import type * as v from 'valibot';
import { formatIssue, read } from '../../config/schema.ts';
import type { Role } from '../../model/admin-token.ts';
import type { Parsed } from '../../model/parsed.ts';
import type { Admin } from '../access.ts';
import type { Operator } from '../operator.ts';
import * as answers from './answers.ts';
import * as schemas from './schemas.ts';

/** What every route is given. */
interface Context {
  readonly admin: Admin;
  readonly operator: Operator;
  /** Epoch milliseconds. */
  readonly now: number;
}

interface Given<P, Q, B> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
}

interface Documented {
  readonly method: 'get' | 'post' | 'delete';
  /** Below `/api`, with `{name}` for each parameter. */
  readonly path: string;
  readonly role: Role;
  readonly about: string;
  /** The error where a parameter names nothing: 404. */
  readonly missing?: string;
  /** The error where the state of the gateway forbids it: 409. */
  readonly conflict?: string;
}

/** An answer and its status. */
export interface Reply {
  readonly status: 200 | 400 | 404 | 409;
  readonly body: object;
}

interface Declared<P, Q, B, A extends object> extends Documented {
  readonly params?: v.GenericSchema<unknown, P>;
  readonly query?: v.GenericSchema<unknown, Q>;
  readonly body?: v.GenericSchema<unknown, B>;
  readonly answer: v.GenericSchema<unknown, A>;
  readonly run: (given: Given<P, Q, B> & Context) => Promise<A | 'missing' | 'conflict'>;
}

/** A route of the admin API. */
export interface Route extends Documented {
  readonly params?: v.GenericSchema | undefined;
  readonly query?: v.GenericSchema | undefined;
  readonly body?: v.GenericSchema | undefined;
  readonly answer: v.GenericSchema;
  /** Takes what the request has, unread. */
  readonly handle: (given: Given<unknown, unknown, unknown>, context: Context) => Promise<Reply>;
}

function route<P, Q, B, A extends object>({ run, ...declared }: Declared<P, Q, B, A>): Route {
  return {
    ...declared,
    handle: async (given, context) => {
      const params = readPart(declared.params, given.params);
      const query = readPart(declared.query, given.query);
      const body = readPart(declared.body, given.body);
      // No name that is badly formed is the name of anything.
      if (params.kind === 'issues') return failure(404, declared.missing);
      if (query.kind === 'issues') return failure(400, query.issues.map(formatIssue).join('; '));
      if (body.kind === 'issues') return failure(400, body.issues.map(formatIssue).join('; '));
      const answer = await run({ params: params.value, query: query.value, body: body.value, ...context });
      if (answer === 'missing') return failure(404, declared.missing);
      if (answer === 'conflict') return failure(409, declared.conflict);
      return { status: 200, body: answer };
    },
  };
}

function failure(status: Reply['status'], error: string | undefined): Reply {
  return { status, body: { error } };
}

function readPart<T>(schema: v.GenericSchema<unknown, T> | undefined, input: unknown): Parsed<T> {
  // Without a schema, T is what no route looks at.
  return schema === undefined ? { kind: 'value', value: undefined as T } : read(schema, input);
}

const MISSING_EVENT = 'there is no such event';
const MISSING_REDELIVERY = 'there is no such redelivery';

/** Every route of the admin API, and what it answers. */
export const ROUTES: readonly Route[] = [
  route({
    method: 'get',
    path: '/events',
    role: 'read',
    about: 'Events, the newest first: those for which all conditions hold.',
    query: schemas.eventsQuery,
    answer: answers.eventsAnswer,
    run: async ({ query: { limit, cursor, ...conditions }, operator, now }) => {
      const before = cursor === undefined ? {} : { before: cursor };
      const { records, next } = await operator.find({ ...schemas.filterOf(conditions, now), ...before, limit });
      return { events: records.map(answers.summaryOf), ...(next === undefined ? {} : { next: String(next) }) };
    },
  }),
  route({
    method: 'get',
    path: '/events/count',
    role: 'read',
    about:
      'How many events were received in each hour, by state, the newest hour first. Hours without any are left out.',
    query: schemas.filterQuery,
    answer: answers.countAnswer,
    run: async ({ query, operator, now }) => {
      const counts = await operator.count(schemas.filterOf(query, now));
      return { hours: counts.map(({ hour, ...rest }) => ({ hour: answers.iso(hour), ...rest })) };
    },
  }),
  route({
    method: 'get',
    path: '/events/{seq}',
    role: 'read',
    about: 'Everything about one event.',
    missing: MISSING_EVENT,
    params: schemas.seqParameter,
    answer: answers.eventAnswer,
    run: async ({ params: { seq }, operator }) => {
      const details = await operator.show(seq);
      return details === undefined ? 'missing' : answers.eventOf(details);
    },
  }),
  route({
    method: 'get',
    path: '/dead-letters',
    role: 'read',
    about: 'Dead letters, the newest first. Prefer `GET /api/events?state=dead-lettered`.',
    query: schemas.deadLettersQuery,
    answer: answers.deadLettersAnswer,
    run: async ({ query: { limit, before }, operator }) => {
      const start = before === undefined ? {} : { before };
      const { records } = await operator.find({ state: 'dead-lettered', ...start, limit });
      return { deadLetters: records.map(answers.summaryOf) };
    },
  }),
  route({
    method: 'get',
    path: '/turned-away',
    role: 'read',
    about: 'Samples of webhooks that were rejected, and of events that were ignored or duplicates, the newest first.',
    query: schemas.turnedAwayQuery,
    answer: answers.turnedAwayAnswer,
    run: async ({ query: { limit, cursor }, operator }) => {
      const samples = await operator.recentlyTurnedAway(limit, cursor);
      const last = samples.length === limit ? samples.at(-1) : undefined;
      return {
        turnedAway: samples.map(answers.turnedAwayOf),
        ...(last === undefined ? {} : { next: String(last.id) }),
      };
    },
  }),
  route({
    method: 'get',
    path: '/turned-away/counts',
    role: 'read',
    about:
      'How many were turned away in each minute, by caller and reason, the oldest minute first. The last hour if not said.',
    query: schemas.periodQuery,
    answer: answers.turnedAwayCountsAnswer,
    run: async ({ query: { from, until }, operator, now }) => {
      const counts = await operator.turnedAway({ from: from(now), until: until(now) });
      return { counts: counts.map(({ minute, ...rest }) => ({ minute: answers.iso(minute), ...rest })) };
    },
  }),
  route({
    method: 'post',
    path: '/redeliveries',
    role: 'operate',
    about:
      'Redelivers events. `seqs` are redelivered one after the other, and the answer says what became of each. A `filter` starts a job, which the answer describes; one job runs at a time. With `dryRun` it only counts.',
    conflict: 'another redelivery is running: wait for its end, or cancel it',
    body: schemas.redeliveryBody,
    answer: answers.redeliverAnswer,
    run: async ({ body, admin, operator, now }) => {
      if (body.kind === 'seqs') return { redeliveries: [...(await operator.redeliver(admin, body.seqs))] };
      const filter = schemas.filterOf(body.filter, now);
      if (body.dryRun) return { matches: await operator.redeliverable(filter) };
      const job = await operator.startRedelivery(admin, filter, body.perSecond);
      return job === undefined ? 'conflict' : answers.redeliveryOf(job);
    },
  }),
  route({
    method: 'get',
    path: '/redeliveries',
    role: 'read',
    about: 'The last redeliveries by filter, the newest first.',
    answer: answers.redeliveriesAnswer,
    run: async ({ operator }) => ({ redeliveries: (await operator.redeliveries()).map(answers.redeliveryOf) }),
  }),
  route({
    method: 'get',
    path: '/redeliveries/{id}',
    role: 'read',
    about: 'How far a redelivery is.',
    missing: MISSING_REDELIVERY,
    params: schemas.idParameter,
    answer: answers.redeliveryAnswer,
    run: async ({ params: { id }, operator }) => {
      const job = (await operator.redeliveries()).find((each) => each.id === id);
      return job === undefined ? 'missing' : answers.redeliveryOf(job);
    },
  }),
  route({
    method: 'delete',
    path: '/redeliveries/{id}',
    role: 'operate',
    about: 'Cancels a redelivery that is running. What it has redelivered stays redelivered.',
    conflict: 'the redelivery is not running',
    missing: MISSING_REDELIVERY,
    params: schemas.idParameter,
    answer: answers.redeliveryAnswer,
    run: async ({ params: { id }, admin, operator }) => {
      const isCanceled = await operator.cancelRedelivery(admin, id);
      const job = (await operator.redeliveries()).find((each) => each.id === id);
      if (job === undefined) return 'missing';
      return isCanceled ? answers.redeliveryOf(job) : 'conflict';
    },
  }),
  route({
    method: 'post',
    path: '/discards',
    role: 'operate',
    about:
      'Discards dead letters: they are not dead letters any more, and are pruned like delivered events. A `filter` discards the newest thousand that match. With `dryRun` it only counts.',
    body: schemas.discardBody,
    answer: answers.discardAnswer,
    run: async ({ body, admin, operator, now }) => {
      if (body.kind === 'seqs') return { discards: [...(await operator.discard(admin, body.seqs))] };
      const filter = schemas.filterOf(body.filter, now);
      if (body.dryRun) return { matches: await operator.discardable(filter) };
      return operator.discardMatching(admin, filter);
    },
  }),
  route({
    method: 'get',
    path: '/deliveries',
    role: 'read',
    about: 'Whether events are delivered now.',
    answer: answers.deliveriesAnswer,
    run: async ({ operator }) => answers.deliveriesOf(await operator.deliveries()),
  }),
  route({
    method: 'post',
    path: '/deliveries/pause',
    role: 'operate',
    about:
      'Begins no more attempts, until `POST /api/deliveries/resume`; a restart does not resume. Webhooks are accepted as before.',
    answer: answers.deliveriesAnswer,
    run: async ({ admin, operator }) => {
      await operator.pause(admin);
      return answers.deliveriesOf(await operator.deliveries());
    },
  }),
  route({
    method: 'post',
    path: '/deliveries/resume',
    role: 'operate',
    about: 'Delivers again.',
    answer: answers.deliveriesAnswer,
    run: async ({ admin, operator }) => {
      await operator.resume(admin);
      return answers.deliveriesOf(await operator.deliveries());
    },
  }),
  route({
    method: 'get',
    path: '/stats',
    role: 'read',
    about: 'The gateway at a glance: the last hour by minute, what waits, dead letters, deliveries, callers.',
    answer: answers.statsAnswer,
    run: async ({ operator }) => answers.statsOf(await operator.overview()),
  }),
  route({
    method: 'get',
    path: '/settings',
    role: 'read',
    about: 'The settings in effect, without secrets.',
    answer: answers.settingsAnswer,
    run: async ({ operator }) => ({ settings: [...operator.settings()] }),
  }),
];

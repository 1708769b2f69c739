import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { anAdminToken, anOperator, type OperatorRig } from '../../../test/support/an-operator.ts';
import { claimOne, deadLetterClaim, keep, keepDelivered, keepOne } from '../../../test/support/journal-steps.ts';
import { aDeadLetter, aRecord, aRegistryEvent } from '../../../test/support/records.ts';
import type { AdminToken } from '../../model/admin-token.ts';
import { Access } from '../access.ts';
import { LIMITS } from '../limits.ts';
import { adminApi } from './api.ts';
import openApi from './openapi.json' with { type: 'json' };
import { ROUTES } from './routes.ts';

type Answer = ReturnType<typeof JSON.parse>;

interface Rig extends OperatorRig {
  readonly tokens: AdminToken[];
  request(method: string, path: string, body?: unknown, token?: string): Promise<Response>;
  get(path: string): Promise<Answer>;
  post(path: string, body?: unknown): Promise<Answer>;
}

function aRig(): Rig {
  const rig = anOperator();
  const { operator, clock } = rig;
  const tokens = [anAdminToken('alice', 'operates'), anAdminToken('bob', 'reads', 'read')];
  const api = adminApi({ operator, access: new Access({ tokens: () => tokens, allowedHosts: [], clock }), clock });
  const request = async (method: string, path: string, body?: unknown, token = 'operates') =>
    api.request(path, {
      method,
      headers: { authorization: `Bearer ${token}` },
      body: body === undefined ? null : JSON.stringify(body),
    });
  const ok = async (response: Response): Promise<Answer> => {
    const answer = await response.json();
    assert.equal(response.status, 200, JSON.stringify(answer));
    return answer;
  };
  return {
    ...rig,
    tokens,
    request,
    get: async (path) => ok(await request('GET', path)),
    post: async (path, body) => ok(await request('POST', path, body)),
  };
}

async function errorOf(response: Response): Promise<readonly [number, string]> {
  const { error } = JSON.parse(await response.text());
  return [response.status, error];
}

const HOUR_MS = 3_600_000;

describe('GET /api/events', () => {
  it('finds events by every condition, the newest first', async () => {
    const rig = aRig();
    const { journal, clock } = rig;
    const now = clock.now();
    const event = { ...aRegistryEvent('x'), registry: 'other.azurecr.io', repository: 'library/redis', tag: '7' };
    const [old = 0] = await keepDelivered(journal, aRecord('old', now - 2 * HOUR_MS));
    const [dead = 0, other = 0] = await keep(
      journal,
      aDeadLetter('dead', now, { caller: 'other' }),
      aRecord('x', now, { event: { ...event, action: 'delete' }, format: 'event-grid' }),
    );
    const find = async (query: string): Promise<readonly number[]> =>
      (await rig.get(`/events?${query}`)).events.map(({ seq }: { seq: number }) => seq);
    assert.deepEqual(await find(''), [other, dead, old]);
    for (const [query, seqs] of [
      ['state=dead-lettered', [dead]],
      ['state=pending', [other]],
      ['registry=other.azurecr.io', [other]],
      ['repository=library/*', [other]],
      ['repository=team/hello-world', [dead, old]],
      ['tag=7', [other]],
      [`digest=${event.digest}`, [other]],
      ['id=old', [old]],
      ['action=delete', [other]],
      ['format=event-grid', [other]],
      ['caller=other', [dead]],
      ['matched=true', [old]],
      ['from=1h', [other, dead]],
      ['until=1h', [old]],
      [`from=${new Date(now - 3 * HOUR_MS).toISOString()}&until=${new Date(now).toISOString()}`, [old]],
      ['action=delete&state=dead-lettered', []],
    ] as const) {
      assert.deepEqual(await find(query), seqs, query);
    }
  });

  it('has pages, which stay where they are when new events arrive', async () => {
    const rig = aRig();
    const records = Array.from({ length: 7 }, (_, index) => aRecord(`${index}`, rig.clock.now()));
    const seqs = await keep(rig.journal, ...records);
    const found: number[] = [];
    let cursor: string | undefined;
    do {
      const page = await rig.get(`/events?limit=3${cursor === undefined ? '' : `&cursor=${cursor}`}`);
      found.push(...page.events.map(({ seq }: { seq: number }) => seq));
      cursor = page.next;
      await keepOne(rig.journal, aRecord(`late ${found.length}`, rig.clock.now()));
    } while (cursor !== undefined);
    assert.deepEqual(found, seqs.toReversed());
  });

  for (const [query, error] of [
    ['cursor=0', 'cursor: must be what an answer gave as `next`'],
    ['cursor=-1', 'cursor: must be what an answer gave as `next`'],
    ['cursor=1e3', 'cursor: must be what an answer gave as `next`'],
    ['cursor=9999999999999999', 'cursor: must be what an answer gave as `next`'],
    ["cursor=1'%20OR%201=1", 'cursor: must be what an answer gave as `next`'],
    ['limit=501', 'limit: must be a number from 1 to 500'],
    ['state=lost', 'state: must be one of `pending`, `delivered`, `dead-lettered`, `discarded`'],
    ['stat=pending', '`stat` is not a known field; did you mean `state`?'],
    ['repository=%25', 'repository: must be a name, or a pattern: `*` matches within a path segment, `**` across'],
    [`caller=${'x'.repeat(513)}`, 'caller: must be a text of 1 to 512 characters'],
    ['matched=yes', 'matched: must be `true` or `false`'],
    [
      'from=yesterday',
      'from: must be a time such as `2026-03-14T14:03:00Z`, or how long ago such as `15m`, `1h` or `7d`',
    ],
    ['state=x&limit=0', 'limit: must be a number from 1 to 500'],
  ] as const) {
    it(`answers 400 to ${query.slice(0, 40)}`, async () => {
      const [status, found] = await errorOf(await aRig().request('GET', `/events?${query}`));
      assert.equal(status, 400);
      assert.ok(found.includes(error), found);
    });
  }

  it('takes any number as a cursor, and finds nothing that the filter does not', async () => {
    const rig = aRig();
    const [dead = 0] = await keep(rig.journal, aDeadLetter('a', rig.clock.now()), aRecord('b', rig.clock.now()));
    for (const cursor of [1, 2, 3, 1000, Number.MAX_SAFE_INTEGER]) {
      const { events } = await rig.get(`/events?state=dead-lettered&cursor=${cursor}`);
      assert.deepEqual(
        events.map(({ seq }: { seq: number }) => seq),
        cursor > dead ? [dead] : [],
      );
    }
  });
});

describe('POST /api/redeliveries with a filter', () => {
  it('counts, without changing anything, in a dry run', async () => {
    const rig = aRig();
    await keepDelivered(rig.journal, aRecord('a', rig.clock.now()), aRecord('b', rig.clock.now()));
    assert.deepEqual(await rig.post('/redeliveries', { filter: { caller: 'ci' }, dryRun: true }), { matches: 2 });
    assert.equal((await rig.journal.stats()).pending, 0);
    assert.deepEqual(rig.changes, []);
  });

  it('starts a job that can be looked at, and canceled once', async () => {
    const rig = aRig();
    await keepDelivered(rig.journal, aRecord('a', rig.clock.now()), aRecord('b', rig.clock.now()));
    const started = await rig.post('/redeliveries', { filter: { caller: 'ci', from: '1h' }, perSecond: 1 });
    assert.deepEqual(
      [started.by, started.state, started.matches, started.filter.from],
      ['alice', 'running', 2, new Date(rig.clock.now() - HOUR_MS).toISOString()],
    );
    const path = `/redeliveries/${started.id}`;
    assert.deepEqual(await errorOf(await rig.request('POST', '/redeliveries', { filter: { caller: 'ci' } })), [
      409,
      'another redelivery is running: wait for its end, or cancel it',
    ]);
    assert.equal((await rig.get(path)).state, 'running');
    const canceled: Answer = await (await rig.request('DELETE', path)).json();
    assert.equal(canceled.state, 'canceled');
    assert.deepEqual(await errorOf(await rig.request('DELETE', path)), [409, 'the redelivery is not running']);
    assert.equal((await rig.get('/redeliveries')).redeliveries[0].id, started.id);
  });

  for (const [what, body, error] of [
    ['without a condition', { filter: {} }, 'filter: must have at least one condition'],
    ['with a typo', { filter: { sate: 'delivered' } }, '`sate` is not a known field; did you mean `state`?'],
    ['that is a text', { filter: 'all' }, 'filter: must be an object with'],
    ['with a pace of 0', { filter: { caller: 'ci' }, perSecond: 0 }, 'perSecond: must be a number from 1 to 200'],
    ['with numbers too', { filter: { caller: 'ci' }, seqs: [1] }, '`seqs` is not a known field'],
  ] as const) {
    it(`${what} is answered 400`, async () => {
      const [status, found] = await errorOf(await aRig().request('POST', '/redeliveries', body));
      assert.equal(status, 400);
      assert.ok(found.includes(error), found);
    });
  }
});

describe('POST /api/discards', () => {
  it('discards dead letters by number or by filter, and keeps them in the books', async () => {
    const rig = aRig();
    const { journal, clock } = rig;
    const now = clock.now();
    const [one, two, pending] = await keep(journal, aDeadLetter('1', now), aDeadLetter('2', now), aRecord('3', now));
    assert.deepEqual(await rig.post('/discards', { seqs: [one, pending, 99] }), {
      discards: [
        { seq: one, kind: 'discarded' },
        { seq: pending, kind: 'no-dead-letter' },
        { seq: 99, kind: 'no-dead-letter' },
      ],
    });
    assert.deepEqual(await rig.post('/discards', { filter: { caller: 'ci' }, dryRun: true }), { matches: 1 });
    assert.deepEqual(await rig.post('/discards', { filter: { caller: 'ci' } }), { discarded: 1, more: false });
    const { state, discarded } = await rig.get(`/events/${two}`);
    assert.deepEqual([state, discarded], ['discarded', { by: 'alice', at: new Date(now).toISOString() }]);
    const stats = await rig.get('/stats');
    assert.deepEqual([stats.discarded, stats.deadLetters, stats.deliveries.pending], [2, 0, 1]);
  });
});

it('paused deliveries are shown with who paused them, until they are resumed', async () => {
  const rig = aRig();
  const at = new Date(rig.clock.now()).toISOString();
  assert.equal((await rig.get('/deliveries')).paused, undefined);
  assert.deepEqual((await rig.post('/deliveries/pause')).paused, { by: 'alice', at });
  assert.deepEqual((await rig.get('/stats')).deliveries.paused, { by: 'alice', at });
  assert.equal((await rig.post('/deliveries/resume')).paused, undefined);
});

describe('every route', () => {
  const pathOf = (path: string) => path.replace('{seq}', '1').replace('{id}', 'x');

  for (const { method, path, role } of ROUTES) {
    it(`${method.toUpperCase()} /api${path} needs a token of the role ${role}`, async () => {
      const rig = aRig();
      const status = async (token: string) =>
        (await rig.request(method.toUpperCase(), pathOf(path), method === 'post' ? {} : undefined, token)).status;
      assert.equal(await status('wrong'), 401);
      const allowed = await status('reads');
      assert.equal(allowed === 403, role === 'operate', String(allowed));
      assert.notEqual(await status('operates'), 403);
    });
  }

  it('answers as the OpenAPI document says', async () => {
    const rig = aRig();
    const { journal, clock, activity } = rig;
    const now = clock.now();
    await keepDelivered(journal, aRecord('delivered', now));
    const dead = await keepOne(journal, aRecord('rejected', now));
    await deadLetterClaim(journal, await claimOne(journal), now);
    await keep(journal, aDeadLetter('discarded', now), aRecord('pending', now));
    await rig.post('/discards', { seqs: [3] });
    await rig.post('/deliveries/pause');
    const observer = activity.ofIngest({
      webhook: () => {},
      rejected: () => {},
      fault: () => {},
      certificateReloaded: () => {},
      certificateRejected: () => {},
    });
    const client = { status: 403, remoteAddress: '192.0.2.1', clientAddress: undefined, userAgent: undefined };
    observer.webhook({
      ...client,
      caller: undefined,
      answer: { kind: 'unauthenticated' },
      bodyBytes: 0,
      durationMs: 1,
    });
    await activity.close();
    const { id } = await rig.post('/redeliveries', { filter: { state: 'dead-lettered' }, perSecond: 1 });
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    for (const [method, path, body] of [
      ['get', '/events'],
      ['get', '/events/count'],
      ['get', '/events/{seq}'],
      ['get', '/dead-letters'],
      ['get', '/turned-away'],
      ['get', '/turned-away/counts'],
      ['get', '/redeliveries'],
      ['get', '/redeliveries/{id}'],
      ['get', '/deliveries'],
      ['get', '/stats'],
      ['get', '/settings'],
      ['post', '/redeliveries', { seqs: [1, 99] }],
      ['post', '/redeliveries', { filter: { caller: 'ci' }, dryRun: true }],
      ['post', '/discards', { seqs: [1] }],
      ['post', '/discards', { filter: { caller: 'no one' } }],
      ['post', '/deliveries/resume'],
      ['delete', '/redeliveries/{id}'],
    ] as const) {
      const url = path.replace('{seq}', String(dead)).replace('{id}', id);
      const response = await rig.request(method.toUpperCase(), url, body);
      const answer = await response.json();
      assert.equal(response.status, 200, `${url} ${JSON.stringify(answer)}`);
      const documented: Answer = openApi.paths;
      const { schema } = documented[`/api${path}`][method].responses['200'].content['application/json'];
      const closed = JSON.parse(JSON.stringify(schema), (_, value) =>
        value?.type === 'object' && value.properties !== undefined ? { ...value, additionalProperties: false } : value,
      );
      assert.ok(ajv.validate(closed, answer), `${method} ${path}: ${ajv.errorsText()} in ${JSON.stringify(answer)}`);
    }
  });
});

describe('GET /api/stream', () => {
  async function open(rig: Rig): Promise<ReadableStreamDefaultReader<string>> {
    const { body } = await rig.request('GET', '/stream');
    assert.ok(body);
    return body.pipeThrough(new TextDecoderStream()).getReader();
  }

  it('sends the state of the gateway, and each event that changes', { timeout: 30_000 }, async () => {
    const rig = aRig();
    const reader = await open(rig);
    const read = async (): Promise<string> => (await reader.read()).value ?? assert.fail('the stream ended');
    assert.match(await read(), /^event: stats\ndata: \{"at":/);
    const seq = await keepOne(rig.journal, aRecord('a', rig.clock.now()));
    const observer = rig.activity.ofDelivery({
      attempted: () => {},
      probed: () => {},
      breakerOpened: () => {},
      faulted: () => {},
    });
    const attempt = { at: 0, durationMs: 1, outcome: { kind: 'rejected', detail: 'no' } } as const;
    observer.attempted(await claimOne(rig.journal), attempt, { kind: 'dead-letter', reason: 'rejected' }, false);
    const message = await read();
    assert.ok(message.startsWith(`event: event\ndata: {"seq":${seq},"state":"pending"`), message);
    await reader.cancel();
  });

  it('ends when the token is revoked', { timeout: 30_000 }, async () => {
    const rig = aRig();
    const reader = await open(rig);
    await reader.read();
    rig.tokens.length = 0;
    for (let isDone = false; !isDone; ) isDone = (await reader.read()).done;
  });

  it('is open to 32 clients at a time', { timeout: 30_000 }, async () => {
    const rig = aRig();
    const readers = [];
    for (let n = 0; n < LIMITS.maxStreams; n++) readers.push(await open(rig));
    const [status, error] = await errorOf(await rig.request('GET', '/stream'));
    assert.deepEqual([status, error], [503, '32 streams are open already']);
    await Promise.all(readers.map((reader) => reader.cancel()));
  });
});

it('the OpenAPI document is part of the API', async () => {
  assert.equal((await aRig().get('/openapi.json')).openapi, '3.1.0');
});

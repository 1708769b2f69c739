import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Hono } from 'hono';
import { anAdminToken, anOperator } from '../../../test/support/an-operator.ts';
import { claimOne, keepDeadLetter, keepDelivered, keepOne } from '../../../test/support/journal-steps.ts';
import { aDeadLetter, anAttempt, aRecord, aRegistryEvent } from '../../../test/support/records.ts';
import { Access } from '../access.ts';
import type { OperatorOptions } from '../operator.ts';
import { consolePages } from './console.ts';

const HOST = 'localhost:8081';
const BROWSER = { host: HOST, accept: 'text/html', 'sec-fetch-site': 'same-origin' };

/** The console of an operator, as the browser of someone who is logged in sees it. */
class Rig {
  readonly world;
  readonly #app = new Hono();
  readonly access: Access;
  cookie = '';

  constructor(options: Partial<OperatorOptions> = {}) {
    this.world = anOperator(options);
    const { clock, operator } = this.world;
    const tokens = [anAdminToken('alice', 'alices-token'), anAdminToken('bob', 'bobs-token', 'read')];
    this.access = new Access({ tokens: () => tokens, allowedHosts: ['localhost'], clock });
    this.#app.use(this.access.checkOrigin());
    const health = { healthy: () => true, unreadiness: async () => undefined };
    this.#app.route('/', consolePages({ operator, access: this.access, clock, ...health }));
  }

  async get(path: string, headers: Readonly<Record<string, string>> = BROWSER): Promise<Response> {
    return this.#app.request(path, { headers: { ...headers, cookie: this.cookie } });
  }

  async post(path: string, fields: readonly (readonly [string, string])[] = [], headers = BROWSER): Promise<Response> {
    const body = new URLSearchParams();
    for (const [name, value] of fields) body.append(name, value);
    return this.#app.request(path, { method: 'POST', headers: { ...headers, cookie: this.cookie }, body });
  }

  async logIn(token = 'alices-token'): Promise<this> {
    const response = await this.post('/login', [['token', token]]);
    this.cookie = response.headers.get('set-cookie')?.split(';')[0] ?? '';
    return this;
  }

  async text(path: string): Promise<string> {
    return (await this.get(path)).text();
  }
}

const PAGES = [
  '/',
  '/events',
  '/dead-letters',
  '/turned-away',
  '/redeliveries',
  '/redeliveries/new?state=delivered',
  '/discards/new?state=dead-lettered',
  '/settings',
  '/health',
];

/** The redirection of an answer. */
function location(response: Response): readonly [number, string | null] {
  return [response.status, response.headers.get('location')];
}

describe('the console', () => {
  it('sends a browser without a session to the log-in, and answers a program 401', async () => {
    const rig = new Rig();
    for (const path of [...PAGES, '/events/1', '/nowhere']) {
      assert.deepEqual(location(await rig.get(path)), [303, '/login'], path);
      assert.equal((await rig.get(path, { host: HOST })).status, 401, path);
    }
    assert.deepEqual(location(await rig.post('/deliveries/pause')), [303, '/login']);
  });

  it('logs in with an admin token, and out again', async () => {
    const rig = new Rig();
    assert.equal((await rig.post('/login', [['token', 'wrong']])).status, 403);
    assert.deepEqual(location(await rig.post('/login', [['token', 'alices-token']])), [303, '/']);
    await rig.logIn();
    assert.match(await rig.text('/'), /<span class="dim">alice<\/span>/);
    assert.deepEqual(location(await rig.post('/logout')), [303, '/login']);
    assert.deepEqual(location(await rig.get('/')), [303, '/login']);
  });

  it('logs in once with the link that npm start prints', async () => {
    const rig = new Rig();
    const path = `/login?code=${rig.access.createLoginCode()}`;
    assert.deepEqual(location(await rig.get(path)), [303, '/']);
    assert.equal((await rig.get(path)).status, 403);
  });

  it('changes nothing for a page of another site', async () => {
    const rig = await new Rig().logIn();
    const foreign = { ...BROWSER, 'sec-fetch-site': 'cross-site' };
    assert.equal((await rig.post('/deliveries/pause', [], foreign)).status, 403);
    assert.deepEqual(rig.world.changes, []);
  });

  it('shows who may only read nothing to change anything with, and changes nothing for it', async () => {
    const rig = await new Rig().logIn('bobs-token');
    const { journal, clock } = rig.world;
    await keepDeadLetter(journal, aRecord('one', clock.now()), 'rejected');
    for (const path of ['/', '/events', '/dead-letters', '/events/1']) {
      const forms = [...(await rig.text(path)).matchAll(/<form method="post" action="([^"]+)"/g)].map(([, to]) => to);
      assert.deepEqual(forms, path.includes('s') && path !== '/events/1' ? ['/logout', '/redeliveries'] : ['/logout']);
    }
    const changes = [
      '/redeliveries',
      '/discards',
      '/redeliveries/new',
      '/discards/new',
      '/deliveries/pause',
      '/deliveries/resume',
      '/redeliveries/x/cancel',
    ];
    for (const path of changes) assert.equal((await rig.post(path, [['seq', '1']])).status, 403, path);
    assert.deepEqual(rig.world.changes, []);
  });

  it('lets pages load from the gateway alone, and run nothing inline', async () => {
    const rig = await new Rig().logIn();
    for (const path of [...PAGES, '/login']) {
      const response = await rig.get(path);
      const policy = response.headers.get('content-security-policy') ?? '';
      assert.match(policy, /default-src 'none'.*script-src 'self'/);
      assert.doesNotMatch(policy, /unsafe|\*|data:|http/);
      assert.equal(response.headers.get('cache-control'), 'no-store');
      const page = await response.text();
      assert.doesNotMatch(
        page,
        /<style|<script(?! type="module" src="\/assets\/live\.js")| style=| on\w+="|javascript:/i,
        path,
      );
      assert.doesNotMatch(page, /(?:src|href|action)="(?!\/|#)/, path);
    }
  });

  it('serves its three files, and no other, whatever path is asked for', async () => {
    const rig = new Rig();
    for (const name of ['style.css', 'live.js', 'icon.svg'])
      assert.equal((await rig.get(`/assets/${name}`)).status, 200);
    for (const name of ['console.ts', '..%2fconsole.ts', '../console.ts', '%2e%2e/%2e%2e/limits.ts', '/etc/passwd', ''])
      assert.notEqual((await rig.get(`/assets/${name}`)).status, 200, name);
  });
});

describe('the lists', () => {
  it('find events by the conditions in the address', async () => {
    const rig = await new Rig().logIn();
    const { journal, clock } = rig.world;
    await keepDelivered(journal, aRecord('one', clock.now()));
    const event = { ...aRegistryEvent('two'), repository: 'other/app' };
    await keepDelivered(journal, aRecord('two', clock.now(), { event }));
    const found = async (query: string) =>
      [...(await rig.text(`/events?${query}`)).matchAll(/href="\/events\/(\d+)"/g)].map(([, seq]) => seq);
    assert.deepEqual(await found(''), ['2', '1']);
    assert.deepEqual(await found('repository=team%2F*&tag=&state='), ['1']);
    assert.deepEqual(await found('state=pending'), []);
    assert.deepEqual(await found('limit=1'), ['2']);
    assert.deepEqual(await found('limit=1&cursor=2'), ['1']);
  });

  it('name what is wrong with a condition, and keep the form', async () => {
    const rig = await new Rig().logIn();
    for (const query of [
      'cursor=-1',
      'cursor=1%20OR%201',
      'from=yesterday',
      'state=lost',
      'nothing=1',
      `tag=${'x'.repeat(600)}`,
    ]) {
      const response = await rig.get(`/events?${query}`);
      assert.equal(response.status, 400, query);
      assert.match(await response.text(), /role="alert"/);
    }
  });

  it('answer 404 for an event that is not there', async () => {
    const rig = await new Rig().logIn();
    for (const path of ['/events/7', '/events/0', '/events/x', '/nowhere'])
      assert.equal((await rig.get(path)).status, 404, path);
  });
});

describe('the changes', () => {
  it('redeliver one event and show it', async () => {
    const rig = await new Rig().logIn();
    await keepDelivered(rig.world.journal, aRecord('one', rig.world.clock.now()));
    assert.match(await rig.text('/events/1'), /<button class="primary">Redeliver</);
    assert.deepEqual(location(await rig.post('/redeliveries', [['seq', '1']])), [303, '/events/1']);
    assert.match(await rig.text('/events/1'), /pending/);
  });

  it('say what became of each event of a selection', async () => {
    const rig = await new Rig().logIn();
    const { journal, clock } = rig.world;
    await keepDelivered(journal, aRecord('one', clock.now()));
    const page = await (
      await rig.post('/redeliveries', [
        ['seq', '1'],
        ['seq', '99'],
      ])
    ).text();
    assert.match(page, /will be delivered again/);
    assert.match(page, /there is no such event/);
    for (const fields of [
      [],
      [['seq', '1; DROP TABLE']],
      Array.from({ length: 101 }, (_, n) => ['seq', String(n + 1)]),
    ])
      assert.equal(
        (
          await rig.post(
            '/redeliveries',
            fields.map(([name = '', value = '']) => [name, value]),
          )
        ).status,
        400,
      );
  });

  it('discard dead letters, one or all that match', async () => {
    const rig = await new Rig().logIn();
    const { journal, clock } = rig.world;
    for (const name of ['one', 'two', 'three']) await keepDeadLetter(journal, aRecord(name, clock.now()), 'rejected');
    assert.deepEqual(location(await rig.post('/discards', [['seq', '1']])), [303, '/events/1']);
    assert.match(await rig.text('/discards/new?state=dead-lettered'), /<strong>2 dead letters<\/strong>/);
    assert.deepEqual(location(await rig.post('/discards/new', [['state', 'dead-lettered']])), [303, '/dead-letters']);
    assert.deepEqual([(await journal.stats()).deadLetters, (await journal.stats()).discarded], [0, 3]);
    assert.equal((await rig.post('/discards/new')).status, 404);
  });

  it('redeliver everything that matches, after a count', async () => {
    const rig = await new Rig().logIn();
    const { journal, clock } = rig.world;
    await keepDelivered(journal, aRecord('one', clock.now()), aRecord('two', clock.now()));
    assert.match(await rig.text('/redeliveries/new?repository=team%2F*'), /Redeliver 2 events/);
    const fields = [
      ['repository', 'team/*'],
      ['perSecond', '10'],
    ] as const;
    assert.equal((await rig.post('/redeliveries/new', [fields[0], ['perSecond', '1e9']])).status, 400);
    assert.deepEqual(location(await rig.post('/redeliveries/new', fields)), [303, '/redeliveries']);
    const [job] = await journal.redeliveries();
    assert.match(await rig.text('/redeliveries'), /of 2 events redelivered/);
    assert.deepEqual(location(await rig.post(`/redeliveries/${job?.id}/cancel`)), [303, '/redeliveries']);
    assert.match(await rig.text('/redeliveries'), /canceled/);
  });

  it('pause deliveries and resume them, and every page says so', async () => {
    const rig = await new Rig().logIn();
    await rig.post('/deliveries/pause');
    for (const path of PAGES) assert.match(await rig.text(path), /Deliveries are paused since .* by alice/, path);
    await rig.post('/deliveries/resume');
    assert.doesNotMatch(await rig.text('/'), /Deliveries are paused/);
  });
});

/** The elements of a page with the names of their attributes, without texts and values. */
function elementsOf(page: string): readonly string[] {
  return [...page.matchAll(/<[^>]*>/g)].map(([tag]) => tag.replaceAll(/="[^"]*"/g, ''));
}

const HOSTILE = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onmouseover='alert(1)' x='",
  '</title></pre></main><iframe src=//evil.example>',
  'javascript:alert(1)',
  '&lt;script&gt;',
  '{{7*7}}',
  '\u202egpj.exe\u0007\u001b[31m',
];

/** Every page, by a name of its own, with one text wherever a caller, a sink or a visitor chooses one. */
async function storyOf(text: string): Promise<ReadonlyMap<string, string>> {
  const whyNot = { reason: text, nearest: [text] };
  const rig = await new Rig({
    explain: async () => whyNot,
    preview: () => ({ kind: 'message', headers: {}, body: text, note: text }),
    callers: () => [text],
    settings: [{ name: 'PORT', value: text, source: 'file' }],
  }).logIn();
  const { journal, clock, activity } = rig.world;
  const now = clock.now();
  const fields = {
    id: text,
    registry: text,
    repository: text,
    tag: text,
    digest: text,
    chart: text,
    chartVersion: text,
  };
  const event = {
    ...aRegistryEvent('x'),
    ...fields,
    mediaType: text,
    region: text,
    connectedRegistry: text,
    timestamp: text,
  };
  const record = {
    event,
    caller: text,
    headers: { [text]: text },
    raw: new TextEncoder().encode(text),
    traceparent: text,
  };
  await keepOne(journal, aDeadLetter('a', now, { ...record, deadLetter: { reason: 'no-registry', detail: text } }));
  await keepOne(journal, aRecord('b', now, record));
  const retried = await claimOne(journal);
  const rejected = anAttempt(now, { kind: 'rejected', detail: text });
  await journal.complete({
    seq: retried.seq,
    fence: retried.fence,
    attempt: rejected,
    decision: { kind: 'dead-letter', reason: 'rejected' },
  });
  await keepOne(journal, aRecord('c', now, record));
  const taken = await claimOne(journal);
  const delivered = anAttempt(now, { kind: 'delivered', created: [{ id: text, project: text }], note: text });
  await journal.complete({ seq: taken.seq, fence: taken.fence, attempt: delivered, decision: { kind: 'complete' } });
  await keepOne(journal, aRecord('d', now, record));
  const unmatched = await claimOne(journal);
  const ignored = anAttempt(now, { kind: 'delivered', created: [] });
  await journal.complete({
    seq: unmatched.seq,
    fence: unmatched.fence,
    attempt: ignored,
    decision: { kind: 'complete' },
  });
  await journal.noteTurnedAway({
    counts: [{ minute: now - 60_000, caller: text, reason: 'duplicate', count: 1 }],
    samples: [
      {
        at: now,
        caller: text,
        remoteAddress: text,
        status: 403,
        reason: 'duplicate',
        detail: text,
        event: { ...fields, action: text },
      },
    ],
  });
  activity
    .ofDelivery({ attempted() {}, probed() {}, breakerOpened() {}, faulted() {} })
    .breakerOpened({ kind: 'uncertain', detail: text });
  const query = new URLSearchParams({ tag: text, id: text, caller: text, registry: text, digest: text });
  const paths = ['/', '/events', '/dead-letters', '/events/1', '/events/2', '/events/3', '/events/4', '/turned-away'];
  const searches = ['/events', '/dead-letters', '/redeliveries/new', '/discards/new'].map((path) => [
    path,
    `${path}?${query}`,
  ]);
  const wrong = ['/events (wrong)', `/events?${new URLSearchParams({ state: text, cursor: text })}`];
  const named = [
    ...[...paths, '/settings', '/health'].map((path) => [path, path]),
    ...searches.map(([path, address]) => [`${path} (search)`, address]),
    wrong,
  ];
  return new Map(
    await Promise.all(named.map(async ([name = '', address = '']) => [name, await rig.text(address)] as const)),
  );
}

describe('a hostile text', () => {
  for (const text of HOSTILE) {
    it(`stays a text wherever it is shown: ${JSON.stringify(text)}`, async () => {
      const harmless = await storyOf('harmless');
      for (const [path, page] of await storyOf(text)) {
        assert.deepEqual(elementsOf(page), elementsOf(harmless.get(path) ?? ''), path);
        // A search repeats what the visitor wrote.
        if (!path.includes('(')) assert.doesNotMatch(page, /[^\n\P{C}]/u, path);
      }
    });
  }
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Hono } from 'hono';
import { anAdminToken } from '../../test/support/an-operator.ts';
import { ManualClock } from '../../test/support/manual-clock.ts';
import type { AdminToken } from '../model/admin-token.ts';
import { Access, type AdminEnv } from './access.ts';
import { LIMITS } from './limits.ts';

const ALICE = anAdminToken('alice', 'alices-token');
const BOB = anAdminToken('bob', 'bobs-token', 'read');
const HOST = 'localhost:8081';

type Headers = Readonly<Record<string, string>>;

/** An app with a page for each role, and a log-in as the console has it. */
class Rig {
  readonly clock = new ManualClock();
  tokens: readonly AdminToken[] = [ALICE, BOB];
  readonly access = new Access({ tokens: () => this.tokens, allowedHosts: ['localhost'], clock: this.clock });
  readonly #app = new Hono<AdminEnv>();

  constructor() {
    const { access } = this;
    this.#app.use(access.checkOrigin());
    this.#app.post('/login', async (c) => {
      const { token = '', code = '' } = await c.req.json();
      const admin = code === '' ? access.logIn(c, token) : access.logInOnce(c, code);
      return admin === undefined ? c.text('no', 401) : c.text(admin.name);
    });
    this.#app.post('/logout', (c) => {
      access.logOut(c);
      return c.text('bye');
    });
    this.#app.on(['GET', 'POST'], '/read', access.requires('read'), (c) => c.text(c.get('admin').name));
    this.#app.on(['GET', 'POST'], '/operate', access.requires('operate'), (c) => c.text(c.get('admin').name));
  }

  request(method: 'GET' | 'POST', path: string, headers: Headers = {}, body?: object): Promise<Response> {
    const sent = body === undefined ? null : JSON.stringify(body);
    return Promise.resolve(this.#app.request(path, { method, headers: { host: HOST, ...headers }, body: sent }));
  }

  async status(method: 'GET' | 'POST', path: string, headers: Headers = {}): Promise<number> {
    return (await this.request(method, path, headers)).status;
  }

  /** Resolves to the cookie. */
  async logIn(body: object): Promise<string | undefined> {
    const response = await this.request('POST', '/login', { origin: `http://${HOST}` }, body);
    return response.headers.get('set-cookie')?.split(';')[0];
  }
}

function bearer(token: string): Headers {
  return { authorization: `Bearer ${token}` };
}

const SAME_ORIGIN = { 'sec-fetch-site': 'same-origin' };

describe('an admin token', () => {
  it('of the role read may look, and is answered 403 where it would change something', async () => {
    const rig = new Rig();
    assert.equal(await rig.status('GET', '/read', bearer('bobs-token')), 200);
    const response = await rig.request('POST', '/operate', bearer('bobs-token'));
    assert.equal(response.status, 403);
    assert.deepEqual(await response.json(), { error: 'the token of bob has the role read; this needs operate' });
  });

  it('of the role operate may do both, under its name', async () => {
    const rig = new Rig();
    for (const path of ['/read', '/operate']) {
      const response = await rig.request('POST', path, bearer('alices-token'));
      assert.deepEqual([response.status, await response.text()], [200, 'alice']);
    }
  });

  it('that is wrong is answered 401, whatever session comes with it', async () => {
    const rig = new Rig();
    const cookie = (await rig.logIn({ token: 'alices-token' })) ?? assert.fail();
    assert.equal(await rig.status('GET', '/read', { ...bearer('wrong'), cookie }), 401);
  });
});

describe('a session', () => {
  it('has the name and the role of the token that it was begun with', async () => {
    const rig = new Rig();
    const cookie = (await rig.logIn({ token: 'bobs-token' })) ?? assert.fail();
    assert.equal(await (await rig.request('GET', '/read', { cookie })).text(), 'bob');
    assert.equal(await rig.status('GET', '/operate', { cookie }), 403);
  });

  it('does not begin with a wrong token', async () => {
    assert.equal(await new Rig().logIn({ token: 'wrong' }), undefined);
  });

  it('has a cookie that no script reads and no other site sends', async () => {
    const response = await new Rig().request('POST', '/login', SAME_ORIGIN, { token: 'alices-token' });
    const cookie = response.headers.get('set-cookie') ?? '';
    for (const attribute of ['HttpOnly', 'SameSite=Strict', 'Path=/', 'Max-Age=43200'])
      assert.ok(cookie.includes(attribute), cookie);
  });

  it('ends after twelve hours', async () => {
    const rig = new Rig();
    const cookie = (await rig.logIn({ token: 'alices-token' })) ?? assert.fail();
    rig.clock.advance(LIMITS.sessionMs - 1);
    assert.equal(await rig.status('GET', '/read', { cookie }), 200);
    rig.clock.advance(1);
    assert.equal(await rig.status('GET', '/read', { cookie }), 401);
  });

  it('ends when its browser logs out', async () => {
    const rig = new Rig();
    const cookie = (await rig.logIn({ token: 'alices-token' })) ?? assert.fail();
    await rig.request('POST', '/logout', { cookie, ...SAME_ORIGIN });
    assert.equal(await rig.status('GET', '/read', { cookie }), 401);
  });

  it('ends when its token is revoked or replaced, and does not begin again with the old one', async () => {
    const rig = new Rig();
    const cookie = (await rig.logIn({ token: 'alices-token' })) ?? assert.fail();
    rig.tokens = [anAdminToken('alice', 'a-new-token')];
    assert.equal(await rig.status('GET', '/read', { cookie }), 401);
    rig.tokens = [ALICE];
    assert.equal(await rig.status('GET', '/read', { cookie }), 401);
  });

  it('has the role that its token has now', async () => {
    const rig = new Rig();
    const cookie = (await rig.logIn({ token: 'alices-token' })) ?? assert.fail();
    rig.tokens = [{ ...ALICE, role: 'read' }];
    assert.equal(await rig.status('GET', '/operate', { cookie }), 403);
  });

  it('is not begun by a cookie that a client makes up', async () => {
    const rig = new Rig();
    for (const value of ['', 'x', '__proto__', 'constructor', 'a'.repeat(5000), '%00'])
      assert.equal(await rig.status('GET', '/read', { cookie: `acr_gateway_session=${value}` }), 401);
  });

  it('makes room for others: beyond 256 of them the oldest ends', async () => {
    const rig = new Rig();
    const cookies: string[] = [];
    for (let n = 0; n <= LIMITS.maxSessions; n++)
      cookies.push((await rig.logIn({ token: 'alices-token' })) ?? assert.fail());
    const [oldest = '', second = ''] = cookies;
    assert.equal(await rig.status('GET', '/read', { cookie: oldest }), 401);
    assert.equal(await rig.status('GET', '/read', { cookie: second }), 200);
  });
});

describe('a login code', () => {
  it('logs in once, as the first token that may operate', async () => {
    const rig = new Rig();
    rig.tokens = [BOB, ALICE];
    const code = rig.access.createLoginCode();
    const cookie = (await rig.logIn({ code })) ?? assert.fail();
    assert.equal(await (await rig.request('GET', '/operate', { cookie })).text(), 'alice');
    assert.equal(await rig.logIn({ code }), undefined);
  });

  it('is void after an hour, or once there is another', async () => {
    const rig = new Rig();
    const code = rig.access.createLoginCode();
    rig.clock.advance(LIMITS.loginCodeMs);
    assert.equal(await rig.logIn({ code }), undefined);
    const older = rig.access.createLoginCode();
    const newer = rig.access.createLoginCode();
    assert.equal(await rig.logIn({ code: older }), undefined);
    assert.notEqual(await rig.logIn({ code: newer }), undefined);
  });

  it('does not log in while no token may operate', async () => {
    const rig = new Rig();
    rig.tokens = [BOB];
    assert.equal(await rig.logIn({ code: rig.access.createLoginCode() }), undefined);
  });
});

describe('a request of a browser', () => {
  for (const [what, headers, status] of [
    ['from a page of the gateway', SAME_ORIGIN, 200],
    ['from another site', { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }, 403],
    ['from another port of the same machine', { 'sec-fetch-site': 'same-site', origin: 'http://localhost:3000' }, 403],
    ['from no page', { 'sec-fetch-site': 'none' }, 403],
    ['that names the origin of the gateway', { origin: `http://${HOST}` }, 200],
    ['that names another origin', { origin: 'http://evil.example' }, 403],
    ['that names another port', { origin: 'http://localhost:3000' }, 403],
    ['that hides its origin', { origin: 'null' }, 403],
    ['that names no origin', {}, 403],
  ] as const) {
    it(`${what} is answered ${status} where it changes something`, async () => {
      const rig = new Rig();
      const cookie = (await rig.logIn({ token: 'alices-token' })) ?? assert.fail();
      assert.equal(await rig.status('POST', '/operate', { cookie, ...headers }), status);
      assert.equal(await rig.status('GET', '/operate', { cookie, ...headers }), 200);
    });
  }

  it('cannot log in from the page of another site', async () => {
    const response = await new Rig().request('POST', '/login', { 'sec-fetch-site': 'cross-site' }, { token: 'x' });
    assert.equal(response.status, 403);
  });

  it('under a name that another site points here is answered 421, with a session too', async () => {
    const rig = new Rig();
    const cookie = (await rig.logIn({ token: 'alices-token' })) ?? assert.fail();
    for (const host of ['evil.example:8081', 'localhost.evil.example', 'localhost:8081.evil.example', ''])
      assert.equal(await rig.status('GET', '/read', { cookie, host, origin: `http://${host}` }), 421);
  });
});

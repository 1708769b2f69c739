import assert from 'node:assert/strict';
import { createHmac, createPublicKey, hash } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { exportJWK, type JWTPayload, SignJWT } from 'jose';
import { type AnsweringServer, answering } from '../../test/support/answering-server.ts';
import { aKeyServer, aSigningKey, keySetOf, type SigningKey, signed } from '../../test/support/key-server.ts';
import type { CallerPolicy } from '../model/policy.ts';
import type { Authentication } from './authenticator.ts';
import { callersOf } from './callers.ts';
import { EntraAuthenticator } from './entra.ts';
import { tokenAuthenticator } from './token.ts';

const TENANT = '11111111-2222-3333-4444-555555555555';
const EVENT_GRID = '4962773b-9cdb-44cf-a8bf-237846a00ab7';
const AUDIENCE = 'api://acr-gateway';
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

const FIRST = aSigningKey('first');
const SECOND = aSigningKey('second');

/** A tenant with a key server of its own, a clock in the test's hands, and Event Grid as the caller `grid`. */
class Rig {
  nowMs = Date.UTC(2026, 10, 22);
  readonly server: AnsweringServer;
  readonly authenticator: EntraAuthenticator;

  private constructor(server: AnsweringServer, changes: Partial<CallerPolicy>) {
    this.server = server;
    const issuers = [`https://sts.windows.net/${TENANT}/`, `${server.address}/${TENANT}/v2.0`];
    const entra = { tenant: TENANT, audiences: [AUDIENCE], authority: server.address, issuers };
    const grid = { name: 'grid', application: { id: EVENT_GRID }, rules: [], ...changes };
    const callers = callersOf([], { registries: [], callers: [grid], rules: [], entra });
    this.authenticator = new EntraAuthenticator({ current: () => callers }, () => this.nowMs);
  }

  static async start(t: TestContext, changes: Partial<CallerPolicy> = {}): Promise<Rig> {
    return new Rig(await aKeyServer(t, FIRST), changes);
  }

  /** What Event Grid's own token would say. */
  get claims(): JWTPayload {
    const now = Math.floor(this.nowMs / 1000);
    const v1 = { ver: '1.0', iss: `https://sts.windows.net/${TENANT}/`, appid: EVENT_GRID };
    return { ...v1, aud: AUDIENCE, tid: TENANT, iat: now, nbf: now, exp: now + 3600 };
  }

  async tell(token: string): Promise<Authentication['kind']> {
    return (await this.authenticator.authenticate({ authorization: `Bearer ${token}` })).kind;
  }

  /** Of a token with these claims instead of Event Grid's. */
  async tellOf(changes: Readonly<Record<string, unknown>>, key = FIRST): Promise<Authentication['kind']> {
    return this.tell(await signed({ ...this.claims, ...changes }, key));
  }
}

const KEYS = await keySetOf(FIRST);

/** To where the keys are. */
const redirecting: AnsweringServer['react'] = (response, { path }) => {
  if (path === '/elsewhere') response.end(KEYS);
  else response.writeHead(302, { location: '/elsewhere' }).end();
};

/** Of parts that no library would put together. */
function forged(header: object, claims: JWTPayload, signatureOf: (input: string) => string): string {
  const input = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${input}.${signatureOf(input)}`;
}

test('a token of version 1 is of the application that it names as appid', async (t) => {
  const rig = await Rig.start(t);
  const token = await signed(rig.claims, FIRST);
  const authentication = await rig.authenticator.authenticate({ authorization: `Bearer ${token}` });
  assert.deepEqual(authentication, { kind: 'caller', caller: { name: 'grid' } });
  assert.equal(rig.server.asked[0]?.path, `/${TENANT}/discovery/v2.0/keys`);
});

test('a token of version 2 is of the application that it names as azp', async (t) => {
  const rig = await Rig.start(t);
  const v2 = { ver: '2.0', iss: `${rig.server.address}/${TENANT}/v2.0`, azp: EVENT_GRID };
  assert.equal(await rig.tellOf({ ...v2, appid: undefined }), 'caller');
  assert.equal(await rig.tellOf({ ...v2, azp: TENANT }), 'unauthenticated');
});

for (const [what, changes] of [
  ['of another tenant', { tid: '99999999-2222-3333-4444-555555555555' }],
  ['without a tenant', { tid: undefined }],
  ['of another issuer', { iss: 'https://sts.windows.net/99999999-2222-3333-4444-555555555555/' }],
  ['without an issuer', { iss: undefined }],
  ['for another audience', { aud: 'api://another' }],
  ['without an audience', { aud: undefined }],
  ['of another application', { appid: '99999999-9cdb-44cf-a8bf-237846a00ab7' }],
  ['without an application', { appid: undefined }],
  ['that has expired', { exp: Date.UTC(2026, 10, 22) / 1000 - 61 }],
  ['that never expires', { exp: undefined }],
  ['that is not yet valid', { nbf: Date.UTC(2026, 10, 22) / 1000 + 61 }],
  ['by which the application acts for a user', { scp: 'user_impersonation' }],
] as const) {
  test(`a token ${what} is nobody’s`, async (t) => {
    const rig = await Rig.start(t);
    assert.equal(await rig.tellOf(changes), 'unauthenticated');
    assert.equal(await rig.tellOf({}), 'caller');
  });
}

test('clocks may be a minute apart', async (t) => {
  const rig = await Rig.start(t);
  const seconds = rig.nowMs / 1000;
  assert.equal(await rig.tellOf({ exp: seconds - 59 }), 'caller');
  assert.equal(await rig.tellOf({ nbf: seconds + 59 }), 'caller');
});

test('a token that is signed with nothing is nobody’s', async (t) => {
  const rig = await Rig.start(t);
  for (const alg of ['none', 'None', 'NONE', '']) {
    assert.equal(await rig.tell(forged({ alg, kid: 'first' }, rig.claims, () => '')), 'unauthenticated');
  }
});

test('a token that is signed with the public key as a shared secret is nobody’s', async (t) => {
  const rig = await Rig.start(t);
  const publicKey = createPublicKey(FIRST.privateKey);
  for (const secret of [
    publicKey.export({ type: 'spki', format: 'pem' }),
    publicKey.export({ type: 'spki', format: 'der' }),
  ]) {
    const token = forged({ alg: 'HS256', kid: 'first' }, rig.claims, (input) =>
      createHmac('sha256', secret).update(input).digest('base64url'),
    );
    assert.equal(await rig.tell(token), 'unauthenticated');
  }
});

test('a token that is signed with another algorithm is nobody’s, even by the right key', async (t) => {
  const rig = await Rig.start(t);
  for (const alg of ['RS512', 'PS256']) {
    const token = new SignJWT(rig.claims).setProtectedHeader({ alg, kid: 'first' }).sign(FIRST.privateKey);
    assert.equal(await rig.tell(await token), 'unauthenticated');
  }
});

test('a token that was changed after it was signed is nobody’s', async (t) => {
  const rig = await Rig.start(t);
  const [header, , signature] = (await signed({ ...rig.claims, appid: TENANT }, FIRST)).split('.');
  const claims = Buffer.from(JSON.stringify(rig.claims)).toString('base64url');
  assert.equal(await rig.tell(`${header}.${claims}.${signature}`), 'unauthenticated');
});

test('a token that names no key, or brings its own, is nobody’s', async (t) => {
  const rig = await Rig.start(t);
  const jwk = await exportJWK(createPublicKey(SECOND.privateKey));
  const sign = (header: object, { privateKey }: SigningKey) =>
    new SignJWT(rig.claims).setProtectedHeader({ alg: 'RS256', ...header }).sign(privateKey);
  assert.equal(await rig.tell(await sign({}, FIRST)), 'unauthenticated');
  assert.equal(await rig.tell(await sign({ kid: 'second', jwk }, SECOND)), 'unauthenticated');
  assert.equal(await rig.tell(await sign({ kid: 'first', jku: rig.server.address }, SECOND)), 'unauthenticated');
});

test('what is no token of Entra ID is nobody’s, and no key is fetched for it', async (t) => {
  const rig = await Rig.start(t);
  for (const token of ['s3cret', 'a.b', 'a.b.c.d', 'ä.b.c']) assert.equal(await rig.tell(token), 'unauthenticated');
  assert.equal((await rig.authenticator.authenticate({})).kind, 'unauthenticated');
  assert.equal(rig.server.asked.length, 0);
});

test('a role that is demanded has to be among those of the token', async (t) => {
  const rig = await Rig.start(t, { application: { id: EVENT_GRID, role: 'Subscriber' } });
  assert.equal(await rig.tellOf({ roles: ['Reader', 'Subscriber'] }), 'caller');
  for (const roles of [['Reader'], [], 'Subscriber', undefined]) {
    assert.equal(await rig.tellOf({ roles }), 'unauthenticated');
  }
});

test('the keys are fetched once for many tokens', async (t) => {
  const rig = await Rig.start(t);
  const answers = await Promise.all(Array.from({ length: 20 }, () => rig.tellOf({})));
  assert.deepEqual(new Set(answers), new Set(['caller']));
  assert.equal(rig.server.asked.length, 1);
});

test('a token with a key that nobody knows is nobody’s, and causes one fetch in 30 seconds', async (t) => {
  const rig = await Rig.start(t);
  assert.equal(await rig.tellOf({}), 'caller');
  rig.nowMs += MINUTE_MS;
  for (let i = 0; i < 5; i++) assert.equal(await rig.tellOf({}, SECOND), 'unauthenticated');
  assert.equal(rig.server.asked.length, 2);
});

test('keys that were rotated are fetched when the first token comes that is signed with a new one', async (t) => {
  const rig = await Rig.start(t);
  assert.equal(await rig.tellOf({}), 'caller');
  rig.server.react = answering(200, await keySetOf(SECOND));
  rig.nowMs += MINUTE_MS;
  assert.equal(await rig.tellOf({}, SECOND), 'caller');
  assert.equal(await rig.tellOf({}, FIRST), 'unauthenticated');
});

for (const [what, react] of [
  ['answers 500', answering(500)],
  ['answers with no JSON', answering(200, '<html>')],
  ['answers with no keys', answering(200, '{"keys":"none"}')],
  ['redirects', redirecting],
  ['answers too much', answering(200, `{"keys":[],"more":"${'x'.repeat(300_000)}"}`)],
  ['closes the connection', (response) => response.destroy()],
] as const satisfies readonly (readonly [string, AnsweringServer['react']])[]) {
  test(`while the key server ${what}, a token cannot be judged; later it can`, async (t) => {
    const rig = await Rig.start(t);
    rig.server.react = react;
    assert.equal(await rig.tellOf({}), 'unverifiable');
    const asked = rig.server.asked.length;
    assert.equal(await rig.tellOf({}), 'unverifiable');
    assert.equal(rig.server.asked.length, asked);
    rig.server.react = answering(200, KEYS);
    rig.nowMs += MINUTE_MS;
    assert.equal(await rig.tellOf({}), 'caller');
  });
}

test('while the key server is down, the keys that are there are used for a day, and no longer', async (t) => {
  const rig = await Rig.start(t);
  assert.equal(await rig.tellOf({}), 'caller');
  rig.server.react = answering(500);
  for (const hours of [2, 21]) {
    rig.nowMs += hours * HOUR_MS;
    assert.equal(await rig.tellOf({}), 'caller');
  }
  assert.equal(await rig.tellOf({}, SECOND), 'unverifiable');
  rig.nowMs += 2 * HOUR_MS;
  assert.equal(await rig.tellOf({}), 'unverifiable');
});

test('keys are renewed behind the scenes once they are an hour old', async (t) => {
  const rig = await Rig.start(t);
  assert.equal(await rig.tellOf({}), 'caller');
  rig.nowMs += HOUR_MS;
  assert.equal(await rig.tellOf({}), 'caller');
  await rig.server.untilAsked(2);
});

test('a token of the tokens file does not wait for the key server', async (t) => {
  const rig = await Rig.start(t);
  rig.server.react = () => {};
  const tokens = [{ caller: { name: 'ci' }, digest: hash('sha256', 'a.b.c', 'buffer') }];
  const first = tokenAuthenticator({ current: () => tokens }, rig.authenticator);
  assert.equal((await first.authenticate({ authorization: 'Bearer a.b.c' })).kind, 'caller');
  assert.equal(rig.server.asked.length, 0);
  rig.server.react = answering(200, KEYS);
  const token = await signed(rig.claims, FIRST);
  assert.equal((await first.authenticate({ authorization: `Bearer ${token}` })).kind, 'caller');
  assert.equal(first.callerNamed('grid')?.name, 'grid');
});

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

const START = Date.UTC(2026, 10, 22);

const FIRST = aSigningKey('first');
const SECOND = aSigningKey('second');

/** A tenant with its own key server, and Event Grid as the caller `grid`. The test moves the clock. */
class Rig {
  readonly #timers: TestContext['mock']['timers'];
  readonly server: AnsweringServer;
  readonly authenticator: EntraAuthenticator;

  private constructor({ mock: { timers } }: TestContext, server: AnsweringServer, changes: Partial<CallerPolicy>) {
    // jose reads the system clock and takes no other.
    timers.enable({ apis: ['Date'], now: START });
    this.#timers = timers;
    this.server = server;
    const issuers = [`https://sts.windows.net/${TENANT}/`, `${server.address}/${TENANT}/v2.0`];
    const entra = { tenant: TENANT, audiences: [AUDIENCE], authority: server.address, issuers };
    const grid = { name: 'grid', application: { id: EVENT_GRID }, rules: [], ...changes };
    const callers = callersOf([], { registries: [], callers: [grid], rules: [], entra });
    this.authenticator = new EntraAuthenticator({ current: () => callers });
  }

  static async start(t: TestContext, changes: Partial<CallerPolicy> = {}): Promise<Rig> {
    return new Rig(t, await aKeyServer(t, FIRST), changes);
  }

  advance(ms: number): void {
    this.#timers.setTime(Date.now() + ms);
  }

  /** The claims of a token of Event Grid. */
  get claims(): JWTPayload {
    const now = Math.floor(Date.now() / 1000);
    const v1 = { ver: '1.0', iss: `https://sts.windows.net/${TENANT}/`, appid: EVENT_GRID };
    return { ...v1, aud: AUDIENCE, tid: TENANT, iat: now, nbf: now, exp: now + 3600 };
  }

  async authenticate(token: string): Promise<Authentication['kind']> {
    return (await this.authenticator.authenticate({ authorization: `Bearer ${token}` })).kind;
  }

  /** With Event Grid's token, some of its claims replaced. */
  async authenticateWith(changes: Readonly<Record<string, unknown>>, key = FIRST): Promise<Authentication['kind']> {
    return this.authenticate(await signed({ ...this.claims, ...changes }, key));
  }
}

const KEYS = await keySetOf(FIRST);

/** Redirects to an address that has the keys. */
const redirecting: AnsweringServer['react'] = (response, { path }) => {
  if (path === '/elsewhere') response.end(KEYS);
  else response.writeHead(302, { location: '/elsewhere' }).end();
};

/** A token that no library would make. */
function forged(header: object, claims: JWTPayload, signatureOf: (input: string) => string): string {
  const input = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${input}.${signatureOf(input)}`;
}

test('the application of a token of version 1 is its appid', async (t) => {
  const rig = await Rig.start(t);
  const token = await signed(rig.claims, FIRST);
  const authentication = await rig.authenticator.authenticate({ authorization: `Bearer ${token}` });
  assert.deepEqual(authentication, { kind: 'caller', caller: { name: 'grid' } });
  assert.equal(rig.server.asked[0]?.path, `/${TENANT}/discovery/v2.0/keys`);
});

test('the application of a token of version 2 is its azp', async (t) => {
  const rig = await Rig.start(t);
  const v2 = { ver: '2.0', iss: `${rig.server.address}/${TENANT}/v2.0`, azp: EVENT_GRID };
  assert.equal(await rig.authenticateWith({ ...v2, appid: undefined }), 'caller');
  assert.equal(await rig.authenticateWith({ ...v2, azp: TENANT }), 'unauthenticated');
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
  ['that has expired', { exp: START / 1000 - 61 }],
  ['that never expires', { exp: undefined }],
  ['that is not yet valid', { nbf: START / 1000 + 61 }],
  ['with which the application acts for a user', { scp: 'user_impersonation' }],
] as const) {
  test(`a token ${what} is unauthenticated`, async (t) => {
    const rig = await Rig.start(t);
    assert.equal(await rig.authenticateWith(changes), 'unauthenticated');
    assert.equal(await rig.authenticateWith({}), 'caller');
  });
}

test('the clocks may differ by a minute', async (t) => {
  const rig = await Rig.start(t);
  const seconds = START / 1000;
  assert.equal(await rig.authenticateWith({ exp: seconds - 59 }), 'caller');
  assert.equal(await rig.authenticateWith({ nbf: seconds + 59 }), 'caller');
});

test('a token without a signature is unauthenticated', async (t) => {
  const rig = await Rig.start(t);
  for (const alg of ['none', 'None', 'NONE', '']) {
    assert.equal(await rig.authenticate(forged({ alg, kid: 'first' }, rig.claims, () => '')), 'unauthenticated');
  }
});

test('a token that is signed with the public key as a shared secret is unauthenticated', async (t) => {
  const rig = await Rig.start(t);
  const publicKey = createPublicKey(FIRST.privateKey);
  for (const secret of [
    publicKey.export({ type: 'spki', format: 'pem' }),
    publicKey.export({ type: 'spki', format: 'der' }),
  ]) {
    const token = forged({ alg: 'HS256', kid: 'first' }, rig.claims, (input) =>
      createHmac('sha256', secret).update(input).digest('base64url'),
    );
    assert.equal(await rig.authenticate(token), 'unauthenticated');
  }
});

test('a token that is signed with another algorithm is unauthenticated, even with the right key', async (t) => {
  const rig = await Rig.start(t);
  for (const alg of ['RS512', 'PS256']) {
    const token = new SignJWT(rig.claims).setProtectedHeader({ alg, kid: 'first' }).sign(FIRST.privateKey);
    assert.equal(await rig.authenticate(await token), 'unauthenticated');
  }
});

test('a token that was changed after it was signed is unauthenticated', async (t) => {
  const rig = await Rig.start(t);
  const [header, , signature] = (await signed({ ...rig.claims, appid: TENANT }, FIRST)).split('.');
  const claims = Buffer.from(JSON.stringify(rig.claims)).toString('base64url');
  assert.equal(await rig.authenticate(`${header}.${claims}.${signature}`), 'unauthenticated');
});

test('a token that names no key, or contains its own, is unauthenticated', async (t) => {
  const rig = await Rig.start(t);
  const jwk = await exportJWK(createPublicKey(SECOND.privateKey));
  const sign = (header: object, { privateKey }: SigningKey) =>
    new SignJWT(rig.claims).setProtectedHeader({ alg: 'RS256', ...header }).sign(privateKey);
  assert.equal(await rig.authenticate(await sign({}, FIRST)), 'unauthenticated');
  assert.equal(await rig.authenticate(await sign({ kid: 'second', jwk }, SECOND)), 'unauthenticated');
  assert.equal(
    await rig.authenticate(await sign({ kid: 'first', jku: rig.server.address }, SECOND)),
    'unauthenticated',
  );
});

test('a token that is not a JWT is unauthenticated, and no key is fetched for it', async (t) => {
  const rig = await Rig.start(t);
  for (const token of ['s3cret', 'a.b', 'a.b.c.d', 'ä.b.c'])
    assert.equal(await rig.authenticate(token), 'unauthenticated');
  assert.equal((await rig.authenticator.authenticate({})).kind, 'unauthenticated');
  assert.equal(rig.server.asked.length, 0);
});

test('a required role must be among the roles of the token', async (t) => {
  const rig = await Rig.start(t, { application: { id: EVENT_GRID, role: 'Subscriber' } });
  assert.equal(await rig.authenticateWith({ roles: ['Reader', 'Subscriber'] }), 'caller');
  for (const roles of [['Reader'], [], 'Subscriber', undefined]) {
    assert.equal(await rig.authenticateWith({ roles }), 'unauthenticated');
  }
});

test('the keys are fetched once for many tokens', async (t) => {
  const rig = await Rig.start(t);
  const answers = await Promise.all(Array.from({ length: 20 }, () => rig.authenticateWith({})));
  assert.deepEqual(new Set(answers), new Set(['caller']));
  assert.equal(rig.server.asked.length, 1);
});

test('a token with an unknown key is unauthenticated, and causes one fetch in 30 seconds', async (t) => {
  const rig = await Rig.start(t);
  assert.equal(await rig.authenticateWith({}), 'caller');
  rig.advance(MINUTE_MS);
  for (let i = 0; i < 5; i++) assert.equal(await rig.authenticateWith({}, SECOND), 'unauthenticated');
  assert.equal(rig.server.asked.length, 2);
});

test('a new key is fetched with the first token that is signed with it', async (t) => {
  const rig = await Rig.start(t);
  assert.equal(await rig.authenticateWith({}), 'caller');
  rig.server.react = answering(200, await keySetOf(SECOND));
  rig.advance(MINUTE_MS);
  assert.equal(await rig.authenticateWith({}, SECOND), 'caller');
  assert.equal(await rig.authenticateWith({}, FIRST), 'unauthenticated');
});

for (const [what, react] of [
  ['answers 500', answering(500)],
  ['answers with something other than JSON', answering(200, '<html>')],
  ['answers without keys', answering(200, '{"keys":"none"}')],
  ['redirects', redirecting],
  ['answers too much', answering(200, `{"keys":[],"more":"${'x'.repeat(300_000)}"}`)],
  ['closes the connection', (response) => response.destroy()],
] as const satisfies readonly (readonly [string, AnsweringServer['react']])[]) {
  test(`while the key server ${what}, a token is unverifiable, and later it is accepted`, async (t) => {
    const rig = await Rig.start(t);
    rig.server.react = react;
    assert.equal(await rig.authenticateWith({}), 'unverifiable');
    const asked = rig.server.asked.length;
    assert.equal(await rig.authenticateWith({}), 'unverifiable');
    assert.equal(rig.server.asked.length, asked);
    rig.server.react = answering(200, KEYS);
    rig.advance(MINUTE_MS);
    assert.equal(await rig.authenticateWith({}), 'caller');
  });
}

test('while the key server is down, the known keys are used for a day, and no longer', async (t) => {
  const rig = await Rig.start(t);
  assert.equal(await rig.authenticateWith({}), 'caller');
  rig.server.react = answering(500);
  for (const hours of [2, 21]) {
    rig.advance(hours * HOUR_MS);
    assert.equal(await rig.authenticateWith({}), 'caller');
  }
  assert.equal(await rig.authenticateWith({}, SECOND), 'unverifiable');
  rig.advance(2 * HOUR_MS);
  assert.equal(await rig.authenticateWith({}), 'unverifiable');
});

test('a clock that is set back does not keep the keys from being fetched', async (t) => {
  const rig = await Rig.start(t);
  rig.server.react = answering(500);
  assert.equal(await rig.authenticateWith({}), 'unverifiable');
  rig.server.react = answering(200, KEYS);
  rig.advance(-HOUR_MS);
  assert.equal(await rig.authenticateWith({}), 'caller');
});

test('keys are renewed in the background when they are an hour old', async (t) => {
  const rig = await Rig.start(t);
  assert.equal(await rig.authenticateWith({}), 'caller');
  rig.advance(HOUR_MS);
  assert.equal(await rig.authenticateWith({}), 'caller');
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

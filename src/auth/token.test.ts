import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseTokens } from '../config/tokens-file.ts';
import { WatchedFile } from '../config/watched-file.ts';
import type { Tokens } from '../model/policy.ts';
import type { Headers } from '../model/webhook.ts';
import { tokenAuthenticator } from './token.ts';

function tokensOf(file: unknown): Tokens {
  const parsed = parseTokens(Buffer.from(JSON.stringify(file)));
  assert.equal(parsed.kind, 'value');
  return parsed.value;
}

function authenticatorOf(file: unknown) {
  const tokens = tokensOf(file);
  return tokenAuthenticator({ current: () => tokens });
}

/** The name of the caller, if the credentials are those of one. */
async function nameFor(file: unknown, headers: Headers): Promise<string | undefined> {
  const authentication = await authenticatorOf(file).authenticate(headers);
  return authentication.kind === 'caller' ? authentication.caller.name : undefined;
}

/** The headers that node:http makes of these lines on the wire, in latin1. */
async function headersOf(...lines: readonly string[]): Promise<Headers> {
  const server = createServer((request, response) => {
    server.emit('headers', request.headers);
    response.end();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const socket = connect(address.port, '127.0.0.1');
  socket.end(Buffer.from(['GET / HTTP/1.1', 'Host: a', ...lines, 'Connection: close', '', ''].join('\r\n'), 'latin1'));
  const [headers] = await once(server, 'headers');
  await text(socket);
  server.close();
  return headers;
}

describe('the token authenticator', () => {
  it('finds a caller by its token', async () => {
    const file = { one: 'token-1', two: { token: 'token-2', registry: 'example.azurecr.io' } };
    assert.equal(await nameFor(file, { authorization: 'Bearer token-1' }), 'one');
    const authenticator = authenticatorOf(file);
    const caller = { name: 'two', bindings: [{ registries: ['example.azurecr.io'] }] };
    assert.deepEqual(await authenticator.authenticate({ authorization: 'Bearer token-2' }), { kind: 'caller', caller });
    assert.deepEqual(authenticator.callerNamed('two'), caller);
    assert.equal(authenticator.callerNamed('three'), undefined);
  });

  it('accepts the scheme in any case, and spaces inside a token', async () => {
    assert.equal(await nameFor({ ci: 'a b  c' }, { authorization: 'bEARER a b  c' }), 'ci');
  });

  it('accepts nothing else', async () => {
    const wrong = [
      '',
      'Bearer',
      'Bearer ',
      'Bearer  s3cret',
      'Basic s3cret',
      's3cret',
      'Bearer s3cre',
      'Bearer s3cret2',
      'Bearer\ts3cret',
    ];
    for (const authorization of wrong) assert.equal(await nameFor({ ci: 's3cret' }, { authorization }), undefined);
    assert.equal(await nameFor({ ci: 's3cret' }, {}), undefined);
    assert.equal(await nameFor({ ci: 's3cret' }, { authorization: ['Bearer s3cret'] }), undefined);
    assert.equal(await nameFor({}, { authorization: 'Bearer s3cret' }), undefined);
  });

  it('accepts no token after two spaces, not even one that begins with a space', async () => {
    const file = { ci: { sha256: hash('sha256', ' s3cret') } };
    assert.equal(await nameFor(file, { authorization: 'Bearer  s3cret' }), undefined);
  });

  it('finds a caller by the password of Basic, with any user name, colons and characters outside ASCII', async () => {
    const basic = (pair: string) => ({ authorization: `Basic ${Buffer.from(pair).toString('base64')}` });
    assert.equal(await nameFor({ ci: 's3cret' }, basic('any-user:s3cret')), 'ci');
    assert.equal(await nameFor({ ci: 'a:b:ü' }, basic(':a:b:ü')), 'ci');
    for (const pair of ['s3cret', 's3cret:', ':', 'ci:s3cret2', 'ci: s3cret', '']) {
      assert.equal(await nameFor({ ci: 's3cret' }, basic(pair)), undefined, pair);
    }
  });

  it('finds a caller by the access token in the query', async () => {
    const file = { ci: 's3cret+/=ü' };
    const nameIn = async (query: string, headers: Headers = {}) => {
      const authentication = await authenticatorOf(file).authenticate(headers, query);
      return authentication.kind === 'caller' ? authentication.caller.name : undefined;
    };
    const query = new URLSearchParams({ a: 'b', access_token: 's3cret+/=ü' }).toString();
    assert.equal(await nameIn(query), 'ci');
    assert.equal(await nameIn(query, { authorization: 'Bearer of-another-caller' }), 'ci');
    for (const wrong of [
      '',
      'access_token',
      'access_token=',
      `${query}&access_token=x`,
      query.replace('access_', ''),
    ]) {
      assert.equal(await nameIn(wrong), undefined, wrong);
    }
  });

  it('never accepts one token for another', async () => {
    const token = fc
      .string({ unit: fc.constantFrom('a', 'b', ' ', '-'), minLength: 1 })
      .filter((it) => it === it.trim());
    await fc.assert(
      fc.asyncProperty(token, token, async (known, sent) => {
        assert.equal(
          await nameFor({ ci: known }, { authorization: `Bearer ${sent}` }),
          known === sent ? 'ci' : undefined,
        );
      }),
    );
  });

  it('ignores blanks at the end of the header', async () => {
    assert.equal(await nameFor({ ci: 's3cret' }, await headersOf('Authorization:  Bearer s3cret \t ')), 'ci');
  });

  it('reads only the first of two Authorization headers', async () => {
    const [right, wrong] = ['Authorization: Bearer s3cret', 'Authorization: Bearer other'];
    assert.equal(await nameFor({ ci: 's3cret' }, await headersOf(right, wrong)), 'ci');
    assert.equal(await nameFor({ ci: 's3cret' }, await headersOf(wrong, right)), undefined);
  });

  it('finds a caller by a token outside ASCII that is sent as UTF-8', async () => {
    const sent = Buffer.from('gehëim-à').toString('latin1');
    assert.equal(await nameFor({ ci: 'gehëim-à' }, await headersOf(`Authorization: Bearer ${sent}`)), 'ci');
  });

  it('keeps accepting a token that stays, and rejecting a wrong one, while the file changes', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'token-'));
    const path = join(directory, 'tokens.json');
    const write = async (file: unknown) => {
      await writeFile(`${path}.new`, JSON.stringify(file));
      await rename(`${path}.new`, path);
    };
    await write({ stays: 'stays', goes: 'goes' });
    const opened = await WatchedFile.open({
      paths: [path],
      parse: parseTokens,
      onRejected: () => assert.fail(),
      later: (look) => {
        const timer = setTimeout(() => void look(), 1);
        return () => clearTimeout(timer);
      },
    });
    assert.equal(opened.kind, 'value');
    const tokens = opened.value;
    const authenticator = tokenAuthenticator(tokens);
    let changes = 0;
    tokens.onChange(() => changes++);
    for (let written = 0; changes < 5; ) {
      if (changes === written) await write({ stays: 'stays', [`comes-${++written}`]: `comes-${written}` });
      const [stays, wrong] = await Promise.all(
        ['stays', 'wrong'].map((token) => authenticator.authenticate({ authorization: `Bearer ${token}` })),
      );
      assert.deepEqual(stays, { kind: 'caller', caller: { name: 'stays' } });
      assert.deepEqual(wrong, { kind: 'unauthenticated' });
      await new Promise(setImmediate);
    }
    assert.deepEqual(await authenticator.authenticate({ authorization: 'Bearer goes' }), { kind: 'unauthenticated' });
    tokens.close();
    await rm(directory, { recursive: true });
  });
});

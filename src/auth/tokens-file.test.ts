import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseTokens, type Tokens } from './tokens-file.ts';

function parse(json: unknown) {
  return parseTokens(Buffer.from(JSON.stringify(json)));
}

function tokensIn(json: unknown): Tokens {
  const parsed = parse(json);
  assert.equal(parsed.kind, 'value', JSON.stringify(parsed));
  return parsed.value;
}

function issuesIn(json: unknown): readonly string[] {
  const parsed = parse(json);
  assert.equal(parsed.kind, 'issues');
  return parsed.issues.map(({ path, received }) => `${path}: ${received}`);
}

describe('a tokens file', () => {
  it('has a token under each name, as v0.4.1 wrote it, and keeps only its digest', () => {
    const digest = hash('sha256', 's3cret', 'buffer');
    assert.deepEqual(tokensIn({ ci: 's3cret' }), [{ caller: { name: 'ci' }, digest }]);
  });

  it('binds a caller to a registry, repositories and actions', () => {
    const held = { repositories: ['team/*'], actions: ['push'] };
    assert.deepEqual(tokensIn({ ci: { token: 's3cret', registry: 'Example.azurecr.io', ...held } })[0]?.caller, {
      name: 'ci',
      bindings: [{ registries: ['Example.azurecr.io'], ...held }],
    });
    assert.deepEqual(tokensIn({ ci: { token: 's3cret' } })[0]?.caller, { name: 'ci' });
  });

  it('takes a digest in place of a token, in either case', () => {
    const sha256 = hash('sha256', 's3cret');
    const [plain, lower, upper] = [{ token: 's3cret' }, { sha256 }, { sha256: sha256.toUpperCase() }].map((ci) =>
      tokensIn({ ci }),
    );
    assert.deepEqual(lower, plain);
    assert.deepEqual(upper, plain);
  });

  it('revokes everybody when it is an empty object, and with nothing else', () => {
    assert.deepEqual(tokensIn({}), []);
    for (const other of [null, [], 'a', 1, true]) assert.equal(parse(other).kind, 'issues');
    for (const broken of ['', '{', '{} x']) assert.equal(parseTokens(Buffer.from(broken)).kind, 'issues');
  });

  it('tells every issue at once', () => {
    assert.deepEqual(
      issuesIn({
        empty: '',
        blank: 'token ',
        number: 5,
        none: {},
        both: { token: 'a', sha256: hash('sha256', 'a') },
        short: { sha256: 'abc' },
        ofNothing: { sha256: hash('sha256', '') },
        url: { token: 'b', registry: 'https://example.azurecr.io' },
        port: { token: 'c', registry: 'example.azurecr.io:443' },
        lists: { token: 'd', repositories: [], actions: ['push', 'pull'] },
        regex: { token: 'e', repositories: ['team/(a|b)+'] },
        typo: { token: 'f', registy: 'example.azurecr.io' },
        twin: 'f',
        'new\nline': 'g',
      }),
      [
        'empty: an empty text',
        'blank: another text',
        'number: a value of type number',
        'none: neither',
        'both: both',
        'short.sha256: another text',
        'ofNothing.sha256: another text',
        'url.registry: another text',
        'port.registry: another text',
        'lists.repositories: an empty list',
        'lists.actions: another list',
        'regex.repositories: another list',
        'typo: something else as well',
        'name 14: another',
        'twin: the token of typo',
      ],
    );
  });

  it('refuses one token under two names, whichever way it is written', () => {
    assert.deepEqual(issuesIn({ one: 's3cret', two: { sha256: hash('sha256', 's3cret') } }), ['two: the token of one']);
  });

  it('has issues that repeat no token, whatever is wrong with it', () => {
    const token = fc.string({ minLength: 1 }).map((text) => `§${text}`);
    const entry = fc.oneof(
      token.map((text) => ` ${text}`),
      fc.record({ token: fc.oneof(token, fc.array(token)), sha256: token, registry: token, actions: fc.array(token) }),
      token.map((text) => ({ [text]: text })),
    );
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom('a', 'b', 'c'), entry, { minKeys: 1 }), fc.boolean(), (file, cut) => {
        const json = JSON.stringify(file);
        const parsed = parseTokens(Buffer.from(cut ? json.slice(0, -1) : json));
        assert.equal(parsed.kind, 'issues');
        assert.ok(!JSON.stringify(parsed.issues).includes('§'));
      }),
    );
  });

  it('makes the parser throw with no content at all', () => {
    fc.assert(fc.property(fc.uint8Array(), (content) => void parseTokens(content)));
    fc.assert(fc.property(fc.json(), (json) => void parseTokens(Buffer.from(json))));
  });
});

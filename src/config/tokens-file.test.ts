import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Tokens } from '../model/policy.ts';
import { formatIssue } from './schema.ts';
import { parseTokens } from './tokens-file.ts';

function parse(json: unknown) {
  return parseTokens(Buffer.from(JSON.stringify(json)));
}

function tokensIn(json: unknown): Tokens {
  const parsed = parse(json);
  assert.equal(parsed.kind, 'value', JSON.stringify(parsed));
  return parsed.value;
}

function reportOf(...lines: readonly string[]): readonly string[] {
  const parsed = parseTokens(Buffer.from(lines.join('\n')));
  return parsed.kind === 'issues' ? parsed.issues.map(formatIssue) : [];
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

  it('revokes every token when it is an empty object, and with nothing else', () => {
    assert.deepEqual(tokensIn({}), []);
    for (const other of [null, [], 'a', 1, true]) {
      assert.deepEqual(reportOf(JSON.stringify(other)), ['line 1: must be a JSON object with a token under each name']);
    }
  });

  it('may begin with a byte order mark', () => {
    assert.equal(parseTokens(Buffer.from('\uFEFF{"ci": "s3cret"}')).kind, 'value');
  });

  it('may have names that JavaScript gives to every object', () => {
    const parsed = parseTokens(Buffer.from('{"__proto__": "a", "constructor": "b", "toString": "c"}'));
    assert.ok(parsed.kind === 'value');
    assert.deepEqual(
      parsed.value.map(({ caller }) => caller.name),
      ['__proto__', 'constructor', 'toString'],
    );
  });

  for (const [what, report, ...lines] of [
    ['is empty', 'line 1:1: the JSON is not valid: expected a value', ''],
    ['ends too early', 'line 2:1: the JSON is not valid: expected `,` or `}`', '{"ci": "a"', ''],
    ['has a token without quotes', 'line 1:8: the JSON is not valid: expected a value', '{"ci": s3cret}'],
    ['has a comma too many', 'line 1:12: the JSON is not valid: expected a name in double quotes', '{"ci": "a",}'],
    ['goes on after its end', 'line 1:4: the JSON is not valid: expected nothing more', '{} x'],
    ['has a name twice', 'line 2:2: `ci` appears more than once', '{"ci": "a",', ' "c\\u0069": "b"}'],
    ['has a field twice', 'line 1:23: ci: `token` appears more than once', '{"ci": {"token": "a", "token": "b"}}'],
    [
      'has a field with a typo',
      'line 2: ci: `registy` is not a known field; did you mean `registry`?',
      '{"ci": { "token": "a",',
      '"registy": "b"}}',
    ],
    ['nests too deeply', 'line 1:162: the JSON is not valid: expected less nesting', `{"a": ${'{"a":'.repeat(40)}`],
  ] as const) {
    it(`that ${what} is rejected, with its line`, () => {
      assert.deepEqual(reportOf(...lines), [report]);
    });
  }

  it('has every issue reported', () => {
    const token = 'must be a token, not empty and without blanks around it';
    const sha256 = 'must be the SHA-256 of a token, 64 hexadecimal digits';
    const registry = 'must be the login server of a registry, without a scheme, `:443` and a dot at the end';
    const globs = 'a glob of letters, digits and `._-/*`, at most 256 characters';
    const actions = 'must be one of `push`, `delete`, `quarantine`, `chart_push`, `chart_delete`';
    const either = 'either `token` or `sha256` is required, and not both';
    const file = {
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
      fine: 'g',
      twin: 'g',
      'new\nline': 'h',
    };
    assert.deepEqual(
      reportOf(JSON.stringify(file)).map((line) => line.replace('line 1: ', '')),
      [
        `empty: ${token}`,
        `blank: ${token}`,
        `number: ${token}`,
        `none: ${either}`,
        `both: ${either}`,
        `short.sha256: ${sha256}`,
        `ofNothing.sha256: ${sha256}`,
        `url.registry: ${registry}`,
        `port.registry: ${registry}`,
        `lists.repositories: must be a list, not empty, each ${globs}`,
        `lists.actions.1: ${actions}`,
        `regex.repositories.0: must be ${globs}`,
        'typo: `registy` is not a known field; did you mean `registry`?',
        'each name must be a name of 1 to 128 printable characters',
        'twin: must have a token of its own, not that of fine',
      ],
    );
  });

  it('cannot give one token to two names, however it is written', () => {
    assert.deepEqual(reportOf(JSON.stringify({ one: 's3cret', two: { sha256: hash('sha256', 's3cret') } })), [
      'line 1: two: must have a token of its own, not that of one',
    ]);
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

  it('of any content is read without a fault, and is JSON exactly where JSON.parse says so', () => {
    const texts = fc.oneof(
      fc.json(),
      fc.tuple(fc.json(), fc.nat(), fc.string({ maxLength: 3 })).map(([json, at, other]) => {
        const cut = at % (json.length + 1);
        return json.slice(0, cut) + other + json.slice(cut + 1);
      }),
      fc.stringMatching(/^[[\]{}:,"\\ue0-9.+\- \n]{0,20}$/),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const report = reportOf(text).join();
        if (/appears more than once|less nesting/.test(report)) return;
        assert.equal(/the JSON is not valid/.test(report), !isJson(text), text);
      }),
      { numRuns: 3000 },
    );
    fc.assert(
      fc.property(fc.uint8Array(), (content) => void parseTokens(content)),
      { numRuns: 1000 },
    );
  });

  it('may have a mebibyte', () => {
    const names = Array.from({ length: 15_000 }, (_, index) => `caller-${index}`);
    const many = Object.fromEntries(names.map((name) => [name, `token of ${name}`.padEnd(40, '.')]));
    assert.equal(tokensIn(many).length, names.length);
    assert.equal(
      tokensIn({
        ci: '\n'
          .repeat(2 ** 19)
          .padEnd(2 ** 19 + 1, 'x')
          .padStart(2 ** 19 + 2, 'x'),
      }).length,
      1,
    );
  });
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

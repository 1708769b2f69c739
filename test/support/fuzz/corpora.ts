import { readdirSync, readFileSync } from 'node:fs';
import { aPush } from '../webhooks.ts';
import type { Corpus } from './inputs.ts';

/** The token in the sample requests. */
export const FUZZ_TOKEN = 'token-of-the-caller-that-fuzzes';

const JSON_PIECES = [
  ...['{', '}', '[', ']', ':', ',', '"', '\\', '\\u0000', '\\ud800', 'null', 'true', '-0', '1e999', '""', '{}', '[]'],
  ...['"__proto__":', '"constructor":{"prototype":1}', '"data_base64":"AA"', '"specVersion":"1.0"', '"events":[{}]'],
  ...['\u0000', '\u202e', '\u009b', '\ufeff', 'é', '🎉', '['.repeat(2_000), '{"a":'.repeat(2_000), 'a'.repeat(300)],
];

const HTTP_PIECES = [
  ...['\r\n', '\n', '\r', '\r\n\r\n', ' ', '\t', ':', '%00', '%zz', '/../', '?access_token=a', '#', '*', '\u0000'],
  ...['Transfer-Encoding: chunked\r\n', 'Transfer-Encoding: gzip, chunked\r\n', 'Content-Length: 5\r\n'],
  ...['Content-Length: -1\r\n', 'Content-Length: 99999999999999999999\r\n', 'Host: other\r\n', 'Host:\r\n'],
  ...['Expect: 100-continue\r\n', 'Expect: nothing\r\n', 'Connection: close\r\n', 'Trailer: a\r\n', 'TE: trailers\r\n'],
  ...[
    'Connection: Upgrade\r\nUpgrade: h2c\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'HTTP/0.9',
    'HTTP/2.0',
    'CONNECT a:1 ',
  ],
  ...[
    'ce-specversion: 1.0\r\n',
    'ce-id: %ff\r\n',
    'aeg-event-type: SubscriptionValidation\r\n',
    'X-Forwarded-For: ::1\r\n',
  ],
  ...[`X: ${'a'.repeat(17_000)}\r\n`, 'X: a\r\n'.repeat(120), 'ffffffffffffffff\r\n', '0\r\n\r\n', '1;a=b\r\nx\r\n'],
];

const FORMATS = new URL('../../../src/decode/fixtures/', import.meta.url);

/** The body of every fixture of every format. */
function bodies(): readonly Buffer[] {
  return readdirSync(FORMATS).flatMap((format) =>
    readdirSync(new URL(`${format}/`, FORMATS)).map((name) => {
      const { webhook } = JSON.parse(readFileSync(new URL(`${format}/${name}`, FORMATS), 'utf8'));
      return Buffer.from(JSON.stringify(webhook));
    }),
  );
}

function requests(): readonly Buffer[] {
  const post = (headers: readonly string[], body: string): string =>
    ['POST /events HTTP/1.1', 'Host: gateway', `Authorization: Bearer ${FUZZ_TOKEN}`, ...headers, '', body].join(
      '\r\n',
    );
  const push = aPush('fuzzed');
  const length = `Content-Length: ${push.length}`;
  const others = [
    post([length], push),
    `${post([length], push)}${post([length], push)}`,
    post(['Transfer-Encoding: chunked'], `${push.length.toString(16)}\r\n${push}\r\n0\r\n\r\n`),
    post(['Expect: 100-continue', length], push),
    post(['ce-specversion: 1.0', 'ce-type: ImagePushed', 'ce-id: a', 'ce-source: /registries/example', length], push),
    post([length], push).replace(/^Authorization.*\r\n/m, ''),
    post([length], push).replace('/events', `//events/?access_token=${FUZZ_TOKEN}`),
    'OPTIONS /events HTTP/1.1\r\nHost: gateway\r\nWebHook-Request-Origin: eventgrid.azure.net\r\n\r\n',
    'GET /healthz HTTP/1.1\r\nHost: gateway\r\n\r\n',
    'GET / HTTP/1.0\r\n\r\n',
  ];
  const all = [...others, ...bodies().map((body) => post([`Content-Length: ${body.length}`], body.toString()))];
  return all.map((text) => Buffer.from(text));
}

function file(path: string): Buffer {
  return readFileSync(new URL(`../../../${path}`, import.meta.url));
}

function tokens(): readonly Buffer[] {
  const [, json = ''] = /```json\n(.*?)```/s.exec(file('docs/tokens.md').toString()) ?? [];
  return [json, '{}', JSON.stringify({ ci: 'a-token', other: { token: 'another', registry: 'a.example:5000' } })].map(
    (text) => Buffer.from(text),
  );
}

const YAML_PIECES = [
  ...[
    '\n',
    '  ',
    '- ',
    ': ',
    '&a ',
    '*a',
    '<<: *a',
    '!!js/function ',
    '---\n',
    '...\n',
    '|\n',
    '>\n',
    '# ',
    '? ',
    '%YAML 1.3\n',
  ],
  ...[
    '{a: [',
    '"',
    "'",
    '@',
    '`',
    '\t',
    '010',
    'no',
    '~',
    '[[[[[[[[',
    '- '.repeat(500),
    '{a: '.repeat(500),
    '**/*',
    '*'.repeat(300),
  ],
];

/** Inputs for each reader of text that this program did not write. */
export const CORPORA = {
  http: { samples: requests(), pieces: [...HTTP_PIECES, ...JSON_PIECES] },
  decode: { samples: bodies(), pieces: JSON_PIECES },
  tokens: { samples: tokens(), pieces: [...JSON_PIECES, '"registry":"a"', '"sha256":', '"actions":["push"]'] },
  config: { samples: [file('docs/gateway.example.yaml')], pieces: [...YAML_PIECES, ...JSON_PIECES] },
} as const satisfies Readonly<Record<string, Corpus>>;

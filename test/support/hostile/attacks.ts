import type { Socket } from 'node:net';
import { Attacker } from './attacker.ts';

/** The callers of a gateway under attack. Each is bound to a registry. */
export const TOKENS = {
  'well-behaved': { token: 'token-of-the-well-behaved-caller', registry: 'example.azurecr.io' },
  attacker: { token: 'token-of-the-attacking-caller', registry: 'attacker.azurecr.io' },
  globs: {
    token: 'token-of-a-caller-with-globs',
    registry: 'attacker.azurecr.io',
    repositories: ['**/*-*-*-*-x', 'team/**/app-*-*-y', '**'],
  },
  /** Shares the registry of the well-behaved caller, but none of its repositories. */
  team: { token: 'token-of-the-team', registry: 'example.azurecr.io', repositories: ['team/**'] },
} as const;

/** Its `X-Forwarded-For` is trusted. */
export const TRUSTED_PROXY = '127.0.0.9';

export const RULES = `rules:
  - name: previews
    ignore: { repositories: ['**/*-*-*-*-preview', '**/*a*a*a*b'] }
`;

/** The id of an event of the well-behaved caller: an attacker can guess it. */
export function wellBehavedId(run: string, number: number): string {
  return `${run}-${number}`;
}

export interface Attack {
  /** What it does, for the table of the benchmark. */
  readonly about: string;
  /** Against a gateway that speaks TLS. */
  readonly tls?: boolean;
  readonly start: (attacker: Attacker, run: string) => void;
}

const HEALTH = 'GET /healthz HTTP/1.1\r\nHost: gateway\r\n\r\n';
const ANONYMOUS = 'POST /events HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n';

const BATCH = 5_000;

/** More than one caller needs, less than the source ports of one address. */
const MANY = 4_200;

export const ATTACKS = {
  'idle-connections': {
    about: '4,200 connections of one address, each with one `GET /healthz`',
    start: (attacker) => attacker.keepOpen({ count: MANY }, (socket) => socket.write(HEALTH)),
  },
  'idle-everywhere': {
    about: '4,200 connections, each of another address and with one `GET /healthz`',
    start: (attacker) => attacker.keepOpen({ count: MANY, from: loopback }, (socket) => socket.write(HEALTH)),
  },
  'slow-headers': {
    about: '4,200 connections of many addresses, each with one byte of a request a second',
    start: (attacker) => attacker.keepOpen({ count: MANY, from: loopback }, writeSlowly),
  },
  pipelining: {
    about: '16 connections that pipeline `POST /events` without credentials',
    start: (attacker) => attacker.flood({ count: 16, from: loopback }, Buffer.from(ANONYMOUS.repeat(1_000))),
  },
  'unread-answers': {
    about: '100 connections that pipeline requests and read no answer',
    start: (attacker) => attacker.flood({ count: 100 }, Buffer.from(HEALTH.repeat(1_000)), { isRead: false }),
  },
  'unread-receipts': {
    about: '32 connections of a caller that sends batches of 5,000 events and reads no receipt',
    start: (attacker, run) => {
      const next = counter();
      attacker.keepOpen({ count: 32 }, (socket) => {
        socket.pause();
        socket.write(aBatch(run, next()));
      });
    },
  },
  'unreadable-batches': {
    about: '4 connections of a caller that sends batches of 5,000 unreadable events with 14 kB of `ce-x` headers',
    start: (attacker, run) => {
      const next = counter();
      attacker.loop({ count: 4 }, () => anUnreadableBatch(run, next()));
    },
  },
  batches: {
    about: '2 connections of a caller that sends batches of 5,000 events',
    start: (attacker, run) => {
      const next = counter();
      attacker.loop({ count: 2 }, () => aBatch(run, next()));
    },
  },
  globs: {
    about: 'batches of 5,000 events with long repositories, of a caller that has globs, where rules exist',
    start: (attacker, run) => {
      const next = counter();
      attacker.loop({ count: 2 }, () => aBatchForGlobs(run, next()));
    },
  },
  'declared-bodies': {
    about: '32 connections of a caller that declares 2 MiB and sends one byte',
    start: (attacker) =>
      attacker.keepOpen({ count: 32 }, (socket) => {
        const headers = ['Content-Type: application/json', 'Content-Length: 2097152'];
        socket.write(`${head(TOKENS.attacker.token, headers)}{`);
      }),
  },
  'tiny-chunks': {
    about: '16 connections that send bodies in chunks of one byte, half of them of a caller',
    start: (attacker) => {
      const bytes = Buffer.from('1\r\n \r\n'.repeat(10_000));
      const chunked = ['Transfer-Encoding: chunked'];
      attacker.flood({ count: 8 }, bytes, { first: head(TOKENS.attacker.token, chunked) });
      attacker.flood({ count: 8, from: loopback }, bytes, { first: head('unknown', chunked) });
    },
  },
  handshakes: {
    about: '32 connections at a time that send handshakes without credentials, each of another address',
    start: (attacker) => {
      const next = counter();
      attacker.loop({ count: 32, from: loopback }, () => aHandshake(next()));
    },
  },
  'forwarded-handshakes': {
    about:
      '16 connections of a trusted proxy with handshakes without credentials, each forwarded for another IPv6 address',
    start: (attacker) => {
      const next = counter();
      attacker.loop({ count: 16, from: () => TRUSTED_PROXY }, () => {
        const number = next();
        return aHandshake(number, [`X-Forwarded-For: ${anIpv6(number)}`]);
      });
    },
  },
  'guessed-ids': {
    about:
      'a caller of the same registry that sends the ids of the well-behaved caller in advance, for other repositories',
    start: (attacker, run) => {
      const next = counter();
      attacker.loop({ count: 2 }, () => aGuess(run, next()));
    },
  },
  'idle-tls': {
    about: '2,000 TLS connections of many addresses that send nothing',
    tls: true,
    start: (attacker) => attacker.keepOpen({ count: 2_000, tls: true, from: loopback }, () => {}),
  },
  'silent-tls': {
    about: '4,200 connections of many addresses to a TLS port that begin no handshake',
    tls: true,
    start: (attacker) => attacker.keepOpen({ count: MANY, from: loopback }, () => {}),
  },
  'tls-handshakes': {
    about: '32 connections at a time that complete a TLS handshake and close',
    tls: true,
    start: (attacker) => attacker.keepOpen({ count: 32, tls: true, from: loopback }, (socket) => socket.destroy()),
  },
} as const satisfies Readonly<Record<string, Attack>>;

export type AttackName = keyof typeof ATTACKS;

export function isAttackName(name: string): name is AttackName {
  return Object.hasOwn(ATTACKS, name);
}

export function needsTls(name: AttackName): boolean {
  const { tls = false }: Attack = ATTACKS[name];
  return tls;
}

/** Runs an attack to its end. */
export async function attack(name: AttackName, port: number, run: string, ms: number) {
  const attacker = new Attacker(port);
  const { start }: Attack = ATTACKS[name];
  start(attacker, run);
  await new Promise((resolve) => setTimeout(resolve, ms));
  return attacker.end();
}

/** Another address of this machine for each number: all of 127.0.0.0/8 is. */
function loopback(number: number): string {
  return `127.${1 + ((number >> 16) & 0x7f)}.${(number >> 8) & 0xff}.${number & 0xff}`;
}

/** An address of another /64 for each number. */
function anIpv6(number: number): string {
  return `2001:db8:${(number >> 16).toString(16)}:${(number & 0xffff).toString(16)}::1`;
}

function counter(): () => number {
  let count = 0;
  return () => {
    count += 1;
    return count;
  };
}

function writeSlowly(socket: Socket): void {
  socket.write('POST /events HTTP/1.1\r\nHost: gateway\r\nX: ');
  const timer = setInterval(() => socket.write('a'), 1000);
  socket.once('close', () => clearInterval(timer));
}

function head(token: string, headers: readonly string[]): string {
  return ['POST /events HTTP/1.1', 'Host: gateway', `Authorization: Bearer ${token}`, ...headers, '', ''].join('\r\n');
}

function post(token: string, body: string, headers: readonly string[] = []): string {
  const length = Buffer.byteLength(body);
  return `${head(token, ['Content-Type: application/json', `Content-Length: ${length}`, ...headers])}${body}`;
}

function events(event: (index: number) => string): string {
  return Array.from({ length: BATCH }, (_, index) => event(index)).join(',');
}

/** Batches of events that are much smaller than those of a registry are rejected for that alone. */
const MEDIA_TYPE = 'application/vnd.docker.distribution.manifest.v2+json';
const DIGEST = `sha256:${'0123456789abcdef'.repeat(4)}`;

function aPush(id: string, repository: string, registry: string, digest = DIGEST): string {
  const target = `{"mediaType":"${MEDIA_TYPE}","size":524,"digest":"${digest}","repository":"${repository}","tag":"v1"}`;
  const request = `{"id":"${id}","host":"${registry}","method":"PUT","useragent":"docker/27.0"}`;
  return `{"id":"${id}","action":"push","target":${target},"request":${request}}`;
}

function aBatch(run: string, number: number): string {
  const { token, registry } = TOKENS.attacker;
  const body = events((index) => aPush(`b-${run}-${number}-${index}`, `app-${index % 100}`, registry));
  return post(token, `{"events":[${body}]}`);
}

/** The headers are those of extensions of CloudEvents. */
function anUnreadableBatch(run: string, number: number): string {
  const body = events(
    (index) =>
      `{"specversion":"1.0","type":"ImagePushed","id":"u-${run}-${number}-${index}","padding":"${'x'.repeat(150)}"}`,
  );
  const extensions = Array.from({ length: 14 }, (_, index) => `ce-x${index}: ${'x'.repeat(1_000)}`);
  return post(TOKENS.attacker.token, `[${body}]`, extensions);
}

/** Half of the repositories are longer than a registry allows. */
function aBatchForGlobs(run: string, number: number): string {
  const { token, registry } = TOKENS.globs;
  const repository = (index: number): string => `${'a-'.repeat(index % 2 === 0 ? 124 : 134)}a`;
  const body = events((index) => aPush(`g-${run}-${number}-${index}`, repository(index), registry, 'sha256:0'));
  return post(token, `{"events":[${body}]}`);
}

function aHandshake(number: number, headers: readonly string[] = []): string {
  if (number % 2 === 0) {
    const asking = ['WebHook-Request-Origin: eventgrid.azure.net', `User-Agent: ${'a'.repeat(150)}`, ...headers];
    return ['OPTIONS /events HTTP/1.1', 'Host: gateway', ...asking, '', ''].join('\r\n');
  }
  const eventType = 'Microsoft.EventGrid.SubscriptionValidationEvent';
  const body = JSON.stringify([{ id: 'v', eventType, data: { validationCode: 'code' } }]);
  const lines = ['POST /events HTTP/1.1', 'Host: gateway', 'aeg-event-type: SubscriptionValidation', ...headers];
  return `${[...lines, `Content-Length: ${body.length}`, '', ''].join('\r\n')}${body}`;
}

/** A hundred ids: as events of its own repositories, of the other caller’s, and unreadable. */
function aGuess(run: string, number: number): string {
  const { token, registry } = TOKENS.team;
  const ids = Array.from({ length: 100 }, (_, index) => wellBehavedId(run, ((number - 1) * 100 + index) % 500));
  const body = ids.flatMap((id) => [
    aPush(id, 'team/app', registry),
    aPush(id, 'hello-world', registry),
    `{"id":"${id}","action":"push","target":{"repository":7,"digest":"${DIGEST}"},"request":{"host":"${registry}"}}`,
  ]);
  return post(token, `{"events":[${body.join(',')}]}`);
}

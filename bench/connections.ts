import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { pause, startProgram, TOKEN, usage } from './gateway.ts';

// npx node bench/connections.ts
//
// The memory of an idle connection, with and without TLS: what the gateway's RSS grows by when 800 clients have sent a webhook
// and stay connected. `src/http/limits.ts` derives the number of connections from it.

const CONNECTIONS = 800;
/** Below the share of an address. Every address of 127.0.0.0/8 is this machine. */
const CONNECTIONS_OF_AN_ADDRESS = 50;

const PING = '{"action":"ping"}';
const REQUEST = `POST /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Length: ${PING.length}\r\n\r\n${PING}`;

const folder = mkdtempSync(join(tmpdir(), 'bench-'));
const [cert, key] = [join(folder, 'tls.crt'), join(folder, 'tls.key')];
const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj', '/CN=bench'];
execFileSync('openssl', [...request, '-keyout', key, '-out', cert], { stdio: 'ignore' });
writeFileSync(join(folder, 'tokens.json'), JSON.stringify({ bench: TOKEN }));

for (const tls of ['false', 'true']) {
  const { pid, found: port, stop } = await startProgram(['serve'], environment(tls), portIn);
  const connect = async (index: number): Promise<Socket> => {
    const localAddress = `127.0.0.${2 + Math.floor(index / CONNECTIONS_OF_AN_ADDRESS)}`;
    const options = { host: '127.0.0.1', port, localAddress };
    const socket = tls === 'true' ? connectTls({ ...options, rejectUnauthorized: false }) : connectTcp(options);
    socket.write(REQUEST);
    await once(socket, 'data');
    return socket;
  };
  // Whatever is loaded with the first requests is not counted.
  const first = await connectAll(200, connect);
  await pause(1_000);
  const before = usage(pid).rss;
  const sockets = await connectAll(CONNECTIONS, (index) => connect(index + first.length));
  await pause(1_000);
  const kib = ((usage(pid).rss - before) * 1e6) / 1024 / CONNECTIONS;
  process.stdout.write(`${tls === 'true' ? 'TLS' : 'TCP'}: ${kib.toFixed(0)} KiB for an idle connection\n`);
  for (const socket of [...first, ...sockets]) socket.destroy();
  await stop();
}
rmSync(folder, { recursive: true });

function environment(tls: string): Readonly<Record<string, string | undefined>> {
  return {
    PATH: process.env['PATH'],
    API_ADDRESS: 'http://127.0.0.1:1',
    API_TOKEN: 'bench-api-token',
    TOKENS_PATH: join(folder, 'tokens.json'),
    JOURNAL_URL: 'memory:',
    JOURNAL_ALLOW_MEMORY: 'true',
    TLS_ENABLED: tls,
    TLS_CERT_PATH: cert,
    TLS_KEY_PATH: key,
    HOST: '127.0.0.1',
    PORT: '0',
    ADMIN_PORT: '0',
  };
}

function portIn(line: string): number | undefined {
  const { msg, ingestPort } = JSON.parse(line);
  return msg === 'gateway.started' ? ingestPort : undefined;
}

/** One after the other: this measures memory, not speed. */
async function connectAll(count: number, connect: (index: number) => Promise<Socket>): Promise<readonly Socket[]> {
  const sockets: Socket[] = [];
  for (let index = 0; index < count; index++) sockets.push(await connect(index));
  return sockets;
}

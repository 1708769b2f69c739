// Run by `helm test`, in a separate pod: sends a ping with a real token. It is answered 200, and nothing is delivered.
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect as connectPlainly } from 'node:net';
import { connect as connectTls } from 'node:tls';

const url = new URL(process.env.GATEWAY_URL);
const target = { host: url.hostname, port: Number(url.port || (url.protocol === 'https:' ? 443 : 80)) };

/** Sends the token only to the owner of the mounted certificate; the names in it may differ from that of the Service. */
function connect() {
  if (url.protocol === 'http:') return connectPlainly(target);
  const expected = new X509Certificate(readFileSync('/app/certs/tls.crt')).fingerprint256;
  const socket = connectTls({ ...target, rejectUnauthorized: false });
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('secureConnect', () => {
      const found = socket.getPeerX509Certificate()?.fingerprint256;
      if (found === expected) resolve(socket);
      else reject(new Error(`the gateway shows another certificate than the one in its secret: ${found}`));
    });
  });
}

async function post(headers) {
  const socket = await connect();
  return new Promise((resolve, reject) => {
    const sent = request({ createConnection: () => socket, method: 'POST', path: '/events', headers }, (answer) => {
      answer.resume();
      socket.destroy();
      resolve(answer.statusCode);
    });
    sent.setTimeout(10_000, () => sent.destroy(new Error('no answer within 10 seconds')));
    sent.on('error', reject);
    sent.end('{"action":"ping"}');
  });
}

const callers = Object.entries(JSON.parse(readFileSync('/app/config/tokens.json', 'utf8')));
const known = callers.map(([name, entry]) => [name, typeof entry === 'string' ? entry : entry.token]);
const [name, token] = known.find(([, each]) => each !== undefined) ?? ['an unknown caller'];
// A token of which only the digest is known cannot be sent. Without it, the gateway must answer 403.
const wanted = token === undefined ? 403 : 200;
const status = await post(token === undefined ? {} : { authorization: `Bearer ${token}` });
process.stdout.write(`${url.href}: a ping of ${name} was answered ${status}\n`);
process.exitCode = status === wanted ? 0 : 1;

// What `helm test` runs, in a pod of its own: sends a ping with a real token, which is answered 200 and emits nothing.
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect as connectPlainly } from 'node:net';
import { connect as connectTls } from 'node:tls';

const url = new URL(process.env.GATEWAY_URL);
const target = { host: url.hostname, port: Number(url.port || (url.protocol === 'https:' ? 443 : 80)) };

/** The token goes to nobody but the owner of the certificate that the chart mounts; its names need not be the Service's. */
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
const [name, token] = known.find(([, each]) => each !== undefined) ?? ['nobody'];
// A token that is known by its digest alone cannot be sent; that nobody else is let in can be seen all the same.
const wanted = token === undefined ? 403 : 200;
const status = await post(token === undefined ? {} : { authorization: `Bearer ${token}` });
process.stdout.write(`${url.href}: a ping of ${name} was answered ${status}\n`);
process.exitCode = status === wanted ? 0 : 1;

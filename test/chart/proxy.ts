import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { eventually } from '../support/eventually.ts';
import { aFreePort } from '../support/ports.ts';
import { aFolder } from '../support/serve-process.ts';
import type { Cleanup } from '../support/stub-brigade.ts';
import type { Cluster, RunningPod } from './cluster.ts';
import type { Service } from './service.ts';

/** The host name in every webhook. */
export const HOST = 'acr-gateway.example.org';

/** `haproxy-passthrough`: the gateway terminates TLS. The others terminate it themselves, and offer HTTP/2. */
export type ProxyKind = 'nginx' | 'haproxy' | 'haproxy-passthrough';

const PORT_OF_PODS = 8080;

/** A real nginx or haproxy, configured as the ingress controllers of both configure it. */
export class IngressProxy {
  readonly port: number;
  readonly #kind: ProxyKind;
  readonly #folder: string;
  /** Whether the gateway itself speaks TLS. */
  readonly #toTls: boolean;
  readonly #service: Service;

  private constructor(kind: ProxyKind, folder: string, port: number, service: Service) {
    this.#kind = kind;
    this.#folder = folder;
    this.port = port;
    this.#service = service;
    this.#toTls = service.port === 443;
  }

  static async start(
    t: Cleanup,
    kind: ProxyKind,
    cluster: Cluster,
    pods: readonly RunningPod[],
  ): Promise<IngressProxy> {
    let child: ChildProcess | undefined;
    // Registered before the folder, and so run before it is removed: a proxy removes its own files at its end.
    t.after(async () => {
      child?.kill('SIGTERM');
      if (child?.exitCode === null && child.signalCode === null) await once(child, 'exit');
    });
    const folder = await aFolder(t);
    const proxy = new IngressProxy(kind, folder, await aFreePort(), await cluster.expose(pods));
    makeCertificate(folder);
    mkdirSync(join(folder, 'tmp'));
    proxy.#write(pods);
    child = spawn(...proxy.#program(), { stdio: ['ignore', 'inherit', 'inherit'] });
    await eventually(`${kind} listens`, () => proxy.#isListening());
    return proxy;
  }

  /** Changes the endpoints, as a controller does when those of its Service change. */
  async lead(pods: readonly RunningPod[]): Promise<void> {
    this.#service.lead(pods.map(({ address }) => address));
    if (this.#kind === 'nginx') return;
    // Each pod has a slot that stays configured, as HAProxy's own controllers do it; a slot in maintenance gets no requests.
    for (const slot of [0, 1]) {
      const pod = pods.find(({ name }) => name.endsWith(String(slot)));
      const server = `gateway/pod-${slot}`;
      if (pod !== undefined) await this.#command(`set server ${server} addr ${pod.address} port ${PORT_OF_PODS}`);
      await this.#command(`set server ${server} state ${pod === undefined ? 'maint' : 'ready'}`);
    }
  }

  #write(pods: readonly RunningPod[]): void {
    writeFileSync(join(this.#folder, 'proxy.conf'), this.#kind === 'nginx' ? this.#nginx() : this.#haproxy(pods));
  }

  #program(): [string, string[]] {
    const config = join(this.#folder, 'proxy.conf');
    if (this.#kind === 'nginx') return ['nginx', ['-p', this.#folder, '-c', config, '-e', 'stderr']];
    return ['haproxy', ['-db', '-q', '-f', config]];
  }

  /**
   * As ingress-nginx has it with `service-upstream`: kept connections to the Service, and no second try of a request. Like
   * it, this does not reload for a change of endpoints, because a reload rejects streams of HTTP/2.
   */
  #nginx(): string {
    const { address, port } = this.#service;
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path tmp/${name};`);
    return `daemon off; error_log stderr emerg; pid nginx.pid; worker_processes 1; user root;
events { worker_connections 512; }
http {
  access_log off; ${paths.join(' ')}
  upstream gateway { server ${address}:${port}; keepalive 32; keepalive_timeout 60s; }
  server {
    listen 127.0.0.1:${this.port} ssl http2; server_name ${HOST};
    ssl_certificate proxy.crt; ssl_certificate_key proxy.key;
    location / {
      proxy_pass ${this.#toTls ? 'https' : 'http'}://gateway; proxy_http_version 1.1;
      proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr; proxy_next_upstream error timeout;
    }
  }
}
`;
  }

  #haproxy(pods: readonly RunningPod[]): string {
    const isPassthrough = this.#kind === 'haproxy-passthrough';
    const tls = this.#toTls && !isPassthrough ? ' ssl verify none alpn http/1.1' : '';
    const servers = [0, 1].map((slot) => {
      const pod = pods.find(({ name }) => name.endsWith(String(slot)));
      return `  server pod-${slot} ${pod?.address ?? '127.0.0.1'}:${PORT_OF_PODS}${tls}${pod === undefined ? ' disabled' : ''}`;
    });
    const bind = `bind 127.0.0.1:${this.port}`;
    const front = isPassthrough
      ? `  ${bind}
  tcp-request inspect-delay 5s
  tcp-request content accept if { req_ssl_hello_type 1 }
  use_backend gateway if { req.ssl_sni -i ${HOST} }`
      : `  ${bind} ssl crt ${join(this.#folder, 'proxy.pem')} alpn h2,http/1.1
  option forwardfor
  default_backend gateway`;
    return `global
  stats socket ${join(this.#folder, 'haproxy.sock')} mode 600 level admin
defaults
  mode ${isPassthrough ? 'tcp' : 'http'}
  timeout connect 5s
  timeout client 50s
  timeout server 50s
frontend webhooks
${front}
backend gateway
  balance roundrobin
${servers.join('\n')}
`;
  }

  async #command(command: string): Promise<void> {
    const socket = connect(join(this.#folder, 'haproxy.sock'));
    socket.end(`${command}\n`);
    const answer = (await text(socket)).trim();
    if (/unknown|invalid|no such|can't/i.test(answer)) throw new Error(`haproxy: ${command}: ${answer}`);
  }

  async #isListening(): Promise<boolean> {
    const socket = connect(this.port, '127.0.0.1');
    const outcome = await Promise.race([once(socket, 'connect'), once(socket, 'error')]).catch(() => undefined);
    socket.destroy();
    return outcome?.length === 0;
  }
}

/** A certificate for the host name, and its key, as PEM. */
export function makeCertificate(folder: string, name = 'proxy'): { readonly crt: string; readonly key: string } {
  const [crt, key] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  const kind = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${HOST}`];
  execFileSync('openssl', [...kind, ...subject, '-keyout', key, '-out', crt], { stdio: 'ignore' });
  const pem = [crt, key].map((path) => readFileSync(path, 'utf8'));
  writeFileSync(join(folder, `${name}.pem`), pem.join(''));
  return { crt: pem[0] ?? '', key: pem[1] ?? '' };
}

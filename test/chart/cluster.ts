import { chmod, chown, mkdir } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import type { Probe } from 'kubernetes-types/core/v1.d.ts';
import { aFolder, GatewayProcess } from '../support/serve-process.ts';
import type { Cleanup } from '../support/stub-brigade.ts';
import { RELEASE, render, type Values } from './helm.ts';
import { type Contents, contentsOf, environmentOf, layOut, SecretVolume } from './node.ts';
import { containerOf, gatewayPod, type KubeObject, type PodTemplate, testPod, the } from './objects.ts';
import { anAddress, Service } from './service.ts';

const PROBES = ['startupProbe', 'livenessProbe', 'readinessProbe'] as const;

export interface RunningPod {
  readonly name: string;
  readonly address: string;
  readonly process: GatewayProcess;
}

/**
 * Does what a cluster does for one release, as far as one machine can: mounts Secrets, starts pods, sends their probes and
 * connects a Service to them. Its only input is what Helm rendered.
 */
export class Cluster {
  readonly #t: Cleanup;
  readonly #folder: string;
  readonly #documents: readonly KubeObject[];
  readonly #volumes: SecretVolume[] = [];
  #contents: Readonly<Record<string, Contents>>;
  #count = 0;

  private constructor(t: Cleanup, folder: string, documents: readonly KubeObject[]) {
    this.#t = t;
    this.#folder = folder;
    this.#documents = documents;
    this.#contents = contentsOf(documents);
  }

  static async install(t: Cleanup, values: Values): Promise<Cluster> {
    return new Cluster(t, await aFolder(t), (await render(values)).documents);
  }

  /** Changes a Secret for pods that start from now on. Running pods keep the old one, as before the kubelet's next sync. */
  change(name: string, contents: Contents): void {
    this.#contents = { ...this.#contents, [name]: contents };
  }

  /** Changes a Secret, and every volume of it. */
  async rotate(name: string, contents: Contents): Promise<void> {
    this.change(name, contents);
    await Promise.all(this.#volumes.filter(({ source }) => source === name).map((each) => each.put(contents)));
  }

  /**
   * Starts the pod of that number on its own volume, and waits until it listens. All pods share the network of this machine,
   * so each listens on an address of its own instead of on all: the only difference from the manifest.
   */
  async start(number: number): Promise<RunningPod> {
    const address = anAddress();
    const name = `${RELEASE}-${number}`;
    const process = await this.#run(gatewayPod(this.#documents), name, { HOST: address, ADMIN_HOST: address });
    await process.line('gateway.started');
    return { name, address, process };
  }

  /** Sends SIGTERM, and SIGKILL after the grace period of the manifest. Resolves to the exit code or signal. */
  async end({ process }: RunningPod): Promise<unknown> {
    const { terminationGracePeriodSeconds = 0 } = gatewayPod(this.#documents).spec;
    process.signal('SIGTERM');
    const patience = setTimeout(() => process.signal('SIGKILL'), terminationGracePeriodSeconds * 1000);
    const ended = await process.ended;
    clearTimeout(patience);
    return ended;
  }

  /** Runs the pod of `helm test`, with the Service in front of those pods. */
  async test(...pods: readonly RunningPod[]): Promise<{ readonly code: unknown; readonly output: string }> {
    const { address } = await this.expose(pods);
    const process = await this.#run(testPod(this.#documents), 'test', {}, { [RELEASE]: address });
    return { code: await process.ended, output: process.everything };
  }

  /** The Service of the release, in front of those pods. */
  expose(pods: readonly RunningPod[]): Promise<Service> {
    const port = the(this.#documents, 'Service').spec?.ports?.[0]?.port ?? 0;
    const addresses = pods.map(({ address }) => address);
    return Service.start(this.#t, port, targetPort(this.#documents), addresses);
  }

  async #run(pod: PodTemplate, name: string, changes: Contents, hosts: Contents = {}): Promise<GatewayProcess> {
    const group = pod.spec.securityContext?.fsGroup ?? 0;
    const volumes: Record<string, string> = {};
    for (const volume of pod.spec.volumes ?? []) {
      const made = new SecretVolume(await this.#place(name, volume.name, ++this.#count), volume, group);
      await made.put(this.#contents[made.source] ?? {});
      this.#volumes.push(made);
      volumes[volume.name] = made.folder;
    }
    for (const { name: mount } of containerOf(pod).volumeMounts ?? []) {
      if (volumes[mount] !== undefined) continue;
      const claim = await this.#place(name, mount, 0);
      await chown(claim, 0, group);
      await chmod(claim, 0o2775);
      volumes[mount] = claim;
    }
    const root = join(await this.#place(name, 'root', ++this.#count), 'root');
    const command = await layOut(pod, root, volumes, hosts);
    return GatewayProcess.spawn(this.#t, command, { ...environmentOf(pod, this.#contents), ...changes });
  }

  /** A folder of a pod; pods of one name share the folder of a version. */
  async #place(pod: string, volume: string, version: number): Promise<string> {
    const folder = join(this.#folder, pod, `${volume}-${version}`);
    await mkdir(folder, { recursive: true });
    return folder;
  }

  /** The status of each of the three probes of a pod. */
  async probe({ address }: RunningPod): Promise<readonly number[]> {
    const { ports = [], ...container } = containerOf(gatewayPod(this.#documents));
    return Promise.all(
      PROBES.map((name) => {
        const named = ports.find((each) => each.name === container[name]?.httpGet?.port);
        return get(address, named?.containerPort ?? 0, container[name]?.httpGet);
      }),
    );
  }
}

function targetPort(documents: readonly KubeObject[]): number {
  const target = the(documents, 'Service').spec?.ports?.[0]?.targetPort;
  return containerOf(gatewayPod(documents)).ports?.find(({ name }) => name === target)?.containerPort ?? 0;
}

/** A probe as the kubelet sends it: it verifies no certificate. */
function get(
  host: string,
  port: number,
  { scheme, path = '' }: Partial<NonNullable<Probe['httpGet']>> = {},
): Promise<number> {
  const request = scheme === 'HTTPS' ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const sent = request({ host, port, path, agent: false, rejectUnauthorized: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    sent.on('error', reject);
    sent.end();
  });
}

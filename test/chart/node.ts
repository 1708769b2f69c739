import { chmodSync, existsSync, mkdirSync } from 'node:fs';
import { chown, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import type { PodSpec } from 'kubernetes-types/core/v1.d.ts';
import { absolute, read } from '../house/repository.ts';
import { all, containerOf, type KubeObject, type PodTemplate } from './objects.ts';

/** The values of a Secret or ConfigMap, by key. */
export type Contents = Readonly<Record<string, string>>;

const TOOLS = ['chroot', 'haproxy', 'mount', 'nginx', 'openssl', 'unshare'];

/** Why pods cannot run on this machine; in continuous integration they must. */
export const UNFIT: string | false = unfitness();

function unfitness(): string | false {
  if (process.env['CI'] === 'true') return false;
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs Linux and root, to make mounts';
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const missing = TOOLS.filter((tool) => !folders.some((folder) => existsSync(join(folder, tool))));
  return missing.length > 0 && `needs ${missing.join(', ')}`;
}

/** The contents of the Secrets and ConfigMaps that were rendered, by name. */
export function contentsOf(documents: readonly KubeObject[]): Readonly<Record<string, Contents>> {
  const secrets = all(documents, 'Secret').map(({ metadata, data, stringData }) => {
    const decoded = Object.entries(data ?? {}).map(([key, text]) => [key, Buffer.from(text, 'base64').toString()]);
    return [metadata.name, { ...Object.fromEntries(decoded), ...stringData }];
  });
  const maps = all(documents, 'ConfigMap').map(({ metadata, data }) => [metadata.name, { ...data }]);
  return Object.fromEntries([...secrets, ...maps]);
}

type Volume = NonNullable<PodSpec['volumes']>[number];

/** A volume of a Secret or ConfigMap, written and changed as the kubelet does it. */
export class SecretVolume {
  readonly folder: string;
  readonly source: string;
  readonly #items: readonly { readonly key: string; readonly path: string }[];
  readonly #mode: number;
  readonly #group: number;
  #version = 0;

  constructor(folder: string, { secret, configMap }: Volume, group: number) {
    this.folder = folder;
    this.source = secret?.secretName ?? configMap?.name ?? '';
    this.#items = secret?.items ?? configMap?.items ?? [];
    this.#mode = secret?.defaultMode ?? configMap?.defaultMode ?? 0o644;
    this.#group = group;
  }

  /** Files are links into `..data`, a link that is replaced atomically by one to the next version. */
  async put(contents: Contents): Promise<void> {
    const [before, now] = [this.#version, ++this.#version].map((version) => `..version_${version}`);
    if (before === undefined || now === undefined) return;
    await mkdir(join(this.folder, now), { recursive: true });
    for (const { key, path } of this.#items) {
      const text = contents[key];
      if (text === undefined) throw new Error(`${this.source} has no ${key}: the pod would not start`);
      await writeFile(join(this.folder, now, path), text, { mode: this.#mode });
      await chown(join(this.folder, now, path), 0, this.#group);
      const link = join(this.folder, path);
      if (!existsSync(link)) await symlink(join('..data', path), link).catch(() => undefined);
    }
    await symlink(now, join(this.folder, '..data_tmp'));
    await rename(join(this.folder, '..data_tmp'), join(this.folder, '..data'));
    await rm(join(this.folder, before), { recursive: true, force: true });
  }
}

interface Mount {
  readonly from: string;
  readonly to: string;
  readonly readOnly: boolean;
}

/** The settings of the image, from its Dockerfile. */
const IMAGE = {
  env: Object.fromEntries(
    (/^ENV (.*)$/m.exec(read('Dockerfile'))?.[1] ?? '').split(' ').map((pair) => pair.split('=')),
  ),
  entrypoint: /^ENTRYPOINT (\[.*\])$/m.exec(read('Dockerfile'))?.[1] ?? '[]',
  user: /^USER (\d+:\d+)$/m.exec(read('Dockerfile'))?.[1] ?? '',
};

/** The environment of a container, with the values from Secrets. */
export function environmentOf(pod: PodTemplate, contents: Readonly<Record<string, Contents>>): Contents {
  const pairs = (containerOf(pod).env ?? []).map(({ name, value = '', valueFrom }): [string, string] => {
    const { name: secret = '', key = '' } = valueFrom?.secretKeyRef ?? {};
    return [name, valueFrom === undefined ? value : (contents[secret]?.[key] ?? '')];
  });
  return { ...IMAGE.env, ...Object.fromEntries(pairs) };
}

/** What Node compiled in one pod, for the next: the image has it too, and a pod without it takes seconds to start. */
function compileCache(): string {
  const folder = join(tmpdir(), 'acr-gateway-pod-compile-cache');
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o777);
  return folder;
}

/** The content of the image: an unpacked image, or this machine's libraries, the program and its Node. */
function imageMounts(): readonly Mount[] {
  const image = process.env['IMAGE_ROOT'];
  const device = { from: '/dev', to: '/dev', readOnly: false };
  if (image !== undefined) return [{ from: image, to: '/', readOnly: true }, device];
  const libraries = ['/lib', '/lib64', '/usr/lib'].filter((path) => existsSync(path));
  const program = ['src', 'packages/brigade-api', 'node_modules', 'bin.js', 'package.json'];
  return [
    ...libraries.map((path) => ({ from: path, to: path, readOnly: true })),
    device,
    { from: dirname(process.execPath), to: '/nodejs/bin', readOnly: true },
    ...program.map((name) => ({ from: absolute(name), to: `/app/${name}`, readOnly: true })),
    { from: compileCache(), to: IMAGE.env['NODE_COMPILE_CACHE'] ?? '', readOnly: false },
  ];
}

/**
 * The command that runs the rendered container with the program, user, mounts and read-only root of the manifest.
 * `volumes` are the folders of the volumes; `hosts` are the names in the cluster's DNS.
 */
export async function layOut(
  pod: PodTemplate,
  root: string,
  volumes: Contents,
  hosts: Contents,
): Promise<readonly string[]> {
  const { command, args = [], volumeMounts = [] } = containerOf(pod);
  const { runAsUser, runAsGroup, fsGroup } = pod.spec.securityContext ?? {};
  const mounted = volumeMounts.map(({ name, mountPath, readOnly }): Mount => {
    return { from: volumes[name] ?? '', to: mountPath, readOnly: readOnly === true };
  });
  await mkdir(root, { recursive: true });
  const hostsFile = `${root}.hosts`;
  await writeFile(
    hostsFile,
    Object.entries(hosts)
      .map(([name, address]) => `${address} ${name}\n`)
      .join(''),
  );
  const mounts = [...imageMounts(), { from: hostsFile, to: '/etc/hosts', readOnly: true }, ...mounted];
  const entrypoint: readonly string[] = command ?? JSON.parse(IMAGE.entrypoint);
  const user = runAsUser === undefined ? IMAGE.user : `${runAsUser}:${runAsGroup}`;
  const chroot = ['chroot', `--userspec=${user}`, `--groups=${fsGroup}`, root, ...entrypoint, ...args];
  const script = [`set -e`, `mount --bind ${root} ${root}`, ...mounts.flatMap((mount) => mountCommands(root, mount))];
  const seal = `mount -o remount,bind,ro ${root}`;
  return ['unshare', '--mount', 'sh', '-c', [...script, seal, 'exec "$@"'].join('\n'), 'sh', ...chroot];
}

/** Mounts a file on a file and a folder on a folder; an image is mounted as the root. */
function mountCommands(root: string, { from, to, readOnly }: Mount): readonly string[] {
  const target = to === '/' ? root : `${root}${to}`;
  return [
    `if [ -d ${from} ]; then mkdir -p ${target}; else mkdir -p ${dirname(target)}; [ -e ${target} ] || touch ${target}; fi`,
    `mount --bind ${from} ${target}`,
    ...(readOnly && to !== '/' ? [`mount -o remount,bind,ro ${target}`] : []),
  ];
}

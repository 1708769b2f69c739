import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { absolute, list } from '../house/repository.ts';
import type { KubeObject } from './objects.ts';

/** Without a cluster, Helm assumes a version of Kubernetes that is older than the chart allows. */
const KUBE_VERSION = '1.30.0';

const OUTPUT_BYTES = 16 * 1024 * 1024;
const PATIENCE_MS = 60_000;

export const CHART = 'charts/brigade-acr-gateway';
export const RELEASE = 'brigade-acr-gateway';
export const NAMESPACE = 'gateways';

/** Paths from the root: a values file for each feature, one for all of them, and the example of v0.4.1's documentation. */
export const CASES: readonly string[] = [
  ...list(`${CHART}/ci/*-values.yaml`),
  'test/chart/fixtures/v0.4.1-values.yaml',
];

export type Values = Readonly<Record<string, unknown>>;

export interface Rendered {
  readonly documents: readonly KubeObject[];
  /** As Helm prints them, without what differs from run to run. */
  readonly text: string;
}

export interface RenderOptions {
  readonly release?: string;
  readonly chart?: string;
}

/** The helm of the system, or else that of node_modules. */
function findHelm(): string {
  const local = absolute('node_modules/.bin');
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== local);
  return [...folders, local].map((folder) => join(folder, 'helm')).find((path) => existsSync(path)) ?? 'helm';
}

const HELM = findHelm();

export interface HelmResult {
  readonly ok: boolean;
  readonly output: string;
  readonly errors: string;
}

/** Runs Helm; a failure is a result too. */
export async function helm(...args: readonly string[]): Promise<HelmResult> {
  try {
    // A run is over before collecting garbage pays.
    const env = { ...process.env, GOGC: 'off' };
    const options = { maxBuffer: OUTPUT_BYTES, timeout: PATIENCE_MS, env };
    const { stdout, stderr } = await promisify(execFile)(HELM, [...args], options);
    return { ok: true, output: stdout, errors: stderr };
  } catch (error) {
    if (error instanceof Error && 'stderr' in error) return { ok: false, output: '', errors: String(error.stderr) };
    throw error;
  }
}

const results = new Map<string, Promise<HelmResult>>();

/** Renders values, or a values file. The same values with the same options are rendered once. */
export function tryRender(values: Values | string, options: RenderOptions = {}): Promise<HelmResult> {
  const key = JSON.stringify([values, options]);
  const known = results.get(key) ?? renderAnew(values, options);
  results.set(key, known);
  return known;
}

async function renderAnew(values: Values | string, options: RenderOptions): Promise<HelmResult> {
  if (typeof values === 'string') return template(absolute(values), options);
  const folder = await mkdtemp(join(tmpdir(), 'acr-chart-'));
  try {
    const file = join(folder, 'values.yaml');
    // JSON, which is YAML too: Helm reads a `no` without quotes as false.
    await writeFile(file, JSON.stringify(values));
    return await template(file, options);
  } finally {
    await rm(folder, { recursive: true });
  }
}

export async function render(values: Values | string, options: RenderOptions = {}): Promise<Rendered> {
  const { ok, output, errors } = await tryRender(values, options);
  if (!ok) throw new Error(`helm template failed: ${errors}`);
  const documents = parseAllDocuments(output).map((document): KubeObject => document.toJS());
  return { documents: documents.filter((document) => document !== null), text: withoutChance(output) };
}

/** Each of the cases, rendered, by its path. */
export function renderCases(): Promise<readonly (readonly [path: string, documents: readonly KubeObject[]])[]> {
  return Promise.all(CASES.map(async (path) => [path, (await render(path)).documents] as const));
}

/** The notes of an install with these values. Helm prints notes only with a cluster, so they are rendered as a template. */
export async function renderNotes(values: Values | string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'acr-chart-'));
  try {
    const chart = join(folder, 'chart');
    await cp(absolute(CHART), chart, { recursive: true });
    await rename(join(chart, 'templates/NOTES.txt'), join(chart, 'NOTES.txt'));
    await writeFile(join(chart, 'templates/notes.yaml'), 'notes: {{ tpl (.Files.Get "NOTES.txt") . | toJson }}\n');
    const { ok, output, errors } = await tryRender(values, { chart });
    if (!ok) throw new Error(`helm template failed: ${errors}`);
    const notes = parseAllDocuments(output).map((document) => document.get('notes'));
    return String(notes.find((each) => each !== undefined));
  } finally {
    await rm(folder, { recursive: true });
  }
}

function template(file: string, { release = RELEASE, chart = absolute(CHART) }: RenderOptions): Promise<HelmResult> {
  const where = ['--namespace', NAMESPACE, '--kube-version', KUBE_VERSION];
  return helm('template', release, chart, ...where, '--values', file);
}

/** Every run generates another certificate; the script of the test pod and the dashboard are in files of their own. */
export function withoutChance(output: string): string {
  return output
    .replaceAll(/^( +tls\.(?:crt|key): ).{100,}$/gm, '$1(generated)')
    .replaceAll(/--eval, ".*"\]$/gm, '--eval, "(files/ping.mjs)"]')
    .replaceAll(/^( +acr-gateway\.json: ).{100,}$/gm, '$1(files/dashboard.json)');
}

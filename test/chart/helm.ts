import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { absolute, list } from '../house/repository.ts';
import type { KubeObject } from './objects.ts';

/** Helm without a cluster takes Kubernetes for older than it is. */
const KUBE_VERSION = '1.30.0';

const OUTPUT_BYTES = 16 * 1024 * 1024;
const PATIENCE_MS = 60_000;

export const CHART = 'charts/brigade-acr-gateway';
export const RELEASE = 'brigade-acr-gateway';
export const NAMESPACE = 'gateways';

/** A values file for each feature alone, all of them together, and what v0.4.1's documentation says. Paths from the root. */
export const CASES: readonly string[] = [
  ...list(`${CHART}/ci/*-values.yaml`),
  'test/chart/fixtures/v0.4.1-values.yaml',
];

export type Values = Readonly<Record<string, unknown>>;

export interface Rendered {
  readonly documents: readonly KubeObject[];
  /** As Helm prints them, with what is another each time taken out. */
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

/** Runs Helm to its end, whatever that is. */
export async function helm(...args: readonly string[]): Promise<HelmResult> {
  try {
    const options = { maxBuffer: OUTPUT_BYTES, timeout: PATIENCE_MS };
    const { stdout, stderr } = await promisify(execFile)(HELM, [...args], options);
    return { ok: true, output: stdout, errors: stderr };
  } catch (error) {
    if (error instanceof Error && 'stderr' in error) return { ok: false, output: '', errors: String(error.stderr) };
    throw error;
  }
}

/** What the chart makes of the values, or of a values file, or why it makes nothing of them. */
export async function tryRender(values: Values | string, options: RenderOptions = {}): Promise<HelmResult> {
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

/** What an install of these values says. Helm tells it to a cluster only, so it is rendered as a template. */
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

/** A generated certificate is another one each time; the script of the test pod stands in a file of its own. */
export function withoutChance(output: string): string {
  return output
    .replaceAll(/^( +tls\.(?:crt|key): ).{100,}$/gm, '$1(generated)')
    .replaceAll(/--eval, ".*"\]$/gm, '--eval, "(files/ping.mjs)"]');
}

import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startEmbeddedBrigade } from 'embedded-brigade';
import type { StoredEvent, TerminalPhase } from 'embedded-brigade/event';
import { loadProjects } from 'embedded-brigade/project-files';
import { Changes } from '../support/changes.ts';
import { aFolder, anInstallation, serve, WEBHOOK_TOKEN } from '../support/serve-process.ts';
import { accept } from '../support/webhooks.ts';

const FOLDER = fileURLToPath(new URL('../../examples/', import.meta.url));
const REGISTRY = 'example.azurecr.io';
const DIGEST = 'sha256:80f0d5c8786bb9e621a45ece0db56d11cdc624ad20da9fe62e9d25490f331d7d';

const loaded = await loadProjects({ folder: FOLDER });

test('every example is a project with the name of its file, and can match an event', async () => {
  assert.deepEqual([...loaded.issues, ...loaded.warnings], []);
  const files = (await readdir(FOLDER)).filter((name) => name !== 'README.md').sort();
  assert.deepEqual(
    loaded.projects.map(({ metadata }) => `${metadata.id}.yaml`),
    files,
  );
});

interface Ended {
  readonly event: StoredEvent;
  readonly phase: TerminalPhase;
}

/** A gateway whose caller is bound to the registry, and an embedded Brigade with the examples and their workers. */
async function start(t: TestContext) {
  const created: StoredEvent[] = [];
  const ended: Ended[] = [];
  const changes = new Changes();
  const folder = await aFolder(t);
  const brigade = await startEmbeddedBrigade({
    port: 0,
    database: join(folder, 'brigade.db'),
    projects: () => loaded.projects,
    workers: {
      folder: join(folder, 'workers'),
      onEnd: (event, phase) => {
        ended.push({ event, phase });
        changes.notify();
      },
    },
    onEvent: (event) => created.push(event),
    onFault: (fault) => assert.fail(String(fault)),
  });
  t.after(() => brigade.close());
  const { accounts, roles } = brigade;
  const token = accounts.createServiceAccount('gateway', 'The gateway') ?? '';
  roles.grant({ role: 'EVENT_CREATOR', serviceAccount: 'gateway', scope: 'brigade.sh/acr' });
  const installation = await anInstallation(t, brigade.address, { API_TOKEN: token });
  await writeFile(installation.tokensPath, JSON.stringify({ ci: { token: WEBHOOK_TOKEN, registry: REGISTRY } }));
  const gateway = await serve(t, installation);

  /** The log of a worker, as `brig event logs` gets it. */
  async function logOf({ metadata }: StoredEvent): Promise<string> {
    const headers = { authorization: `Bearer ${token}` };
    const response = await fetch(`${brigade.address}/v2/events/${metadata.id}/logs`, { headers });
    const entries: { message: string }[] = JSON.parse(`[${(await response.text()).replaceAll('}{', '},{')}]`);
    return entries.map(({ message }) => message).join('\n');
  }

  /** Sends a webhook and waits until all workers that it started have ended; resolves to their logs by project. */
  return async (webhook: object): Promise<Readonly<Record<string, string>>> => {
    const before = created.length;
    await accept(gateway, JSON.stringify(webhook));
    await changes.until(
      () => (created.length > before && ended.length === created.length ? true : undefined),
      () => `${ended.length} of ${created.length} ended\n${gateway.process.everything}`,
    );
    assert.deepEqual(new Set(ended.map(({ phase }) => phase)), new Set(['SUCCEEDED']));
    const mine = created.slice(before);
    return Object.fromEntries(await Promise.all(mine.map(async (event) => [event.projectID, await logOf(event)])));
  };
}

function skipped(job: string, image: string): string {
  return `\nJob "${job}" (${image}) needs a cluster: it is skipped, as if it had succeeded.`;
}

const SCAN = skipped('scan', 'aquasec/trivy:0.57.0');
const LIST = skipped('list', 'anchore/syft:v1.18.0');
const PUSHED = `Someone pushed an image to ${REGISTRY}/example-repo!`;
const BY_TAG = { repository: 'example-repo', digest: DIGEST };
const REQUEST = { request: { host: REGISTRY } };

const EXPECTED = [
  [
    'the push of a release',
    { action: 'push', target: { ...BY_TAG, tag: 'v1.0.0' }, ...REQUEST },
    {
      'acr-everything': `push in ${REGISTRY}/example-repo`,
      'acr-one-repository': PUSHED,
      'acr-promote':
        `Promoting ${REGISTRY}/example-repo:v1.0.0 to production.azurecr.io/example-repo:v1.0.0` +
        skipped('copy', 'quay.io/skopeo/stable:v1.16'),
      'acr-pushes': PUSHED,
      'acr-scan': `Scanning ${REGISTRY}/example-repo:v1.0.0${SCAN}${LIST}`,
      'acr-tagged-pushes': `Someone pushed ${REGISTRY}/example-repo:v1.0.0!`,
    },
  ],
  [
    'the push of the tag stable',
    { action: 'push', target: { ...BY_TAG, tag: 'stable' }, ...REQUEST },
    {
      'acr-everything': `push in ${REGISTRY}/example-repo`,
      'acr-one-repository': PUSHED,
      'acr-one-tag': `Rolling out ${REGISTRY}/example-repo@${DIGEST}${skipped('roll-out', 'bitnami/kubectl:1.30')}`,
      'acr-promote': 'stable is no release',
      'acr-pushes': PUSHED,
      'acr-scan': `Scanning ${REGISTRY}/example-repo:stable${SCAN}${LIST}`,
      'acr-tagged-pushes': `Someone pushed ${REGISTRY}/example-repo:stable!`,
    },
  ],
  [
    'a push by digest to another repository',
    { action: 'push', target: { repository: 'team/app', digest: DIGEST }, ...REQUEST },
    {
      'acr-everything': `push in ${REGISTRY}/team/app`,
      'acr-pushes': `Someone pushed an image to ${REGISTRY}/team/app!`,
    },
  ],
  [
    'a deletion',
    { action: 'delete', target: BY_TAG, ...REQUEST },
    {
      'acr-deletes': `Someone deleted ${REGISTRY}/example-repo@${DIGEST}!`,
      'acr-everything': `delete in ${REGISTRY}/example-repo`,
    },
  ],
  [
    'an image in quarantine',
    { action: 'quarantine', target: { ...BY_TAG, tag: 'v1.0.0' }, ...REQUEST },
    {
      'acr-everything': `quarantine in ${REGISTRY}/example-repo`,
      'acr-quarantine': `${REGISTRY}/example-repo@${DIGEST} is in quarantine${SCAN}`,
    },
  ],
  [
    'the push of a legacy chart, which names no registry',
    {
      action: 'chart_push',
      target: {
        mediaType: 'application/vnd.acr.helm.chart',
        digest: DIGEST,
        repository: 'repo',
        tag: 'wordpress-5.4.0.tgz',
        name: 'wordpress',
        version: '5.4.0.tgz',
      },
    },
    {
      'acr-charts': `Someone pushed the chart wordpress 5.4.0.tgz to ${REGISTRY}!`,
      'acr-everything': `chart_push in ${REGISTRY}/repo`,
    },
  ],
] as const;

test('the examples print their lines', async (t) => {
  const send = await start(t);
  for (const [name, webhook, logs] of EXPECTED) {
    await t.test(`${name} is in the log of ${Object.keys(logs).join(', ')}`, async () => {
      assert.deepEqual(await send({ id: name, ...webhook }), logs);
    });
  }
});

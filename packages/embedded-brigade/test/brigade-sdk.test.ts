import assert from 'node:assert/strict';
import { test } from 'node:test';
import { APIClient, authn, authz, core } from '@brigadecore/brigade-sdk';
import { ROOT_PASSWORD, startTestBrigade, type TestBrigade } from './api-client.ts';

// Brigade's own SDK reads the answers. It recognizes success by the exact status, and throws errors with the text of an
// answer.

async function logIn({ brigade }: TestBrigade): Promise<APIClient> {
  const sessions = new authn.SessionsClient(brigade.address, '');
  const { value } = await sessions.createRootSession(ROOT_PASSWORD);
  return new APIClient(brigade.address, value);
}

/** A new object each time: the SDK changes its arguments. Its types lack qualifiers and require labels. */
function aProject(id: string): core.Project {
  const qualifiers = { registry: 'a.azurecr.io' };
  const subscription = { source: 'brigade.sh/acr', types: ['push'], qualifiers, labels: { repo: 'x' } };
  return {
    metadata: { id },
    description: 'made by the SDK',
    spec: {
      eventSubscriptions: [subscription],
      workerTemplate: { defaultConfigFiles: { 'brigade.js': '1' } },
    },
  };
}

const PUSH = {
  source: 'brigade.sh/acr',
  type: 'push',
  qualifiers: { registry: 'a.azurecr.io' },
  labels: { repo: 'x' },
};

test('the SDK logs in, finds out who it is, and logs out', async (t) => {
  const started = await startTestBrigade(t);
  const client = await logIn(started);
  const { type, id } = await client.authn().whoAmI();
  assert.deepEqual([type, id], ['ROOT', 'root']);
  await client.authn().sessions().delete();
  await assert.rejects(client.authn().whoAmI(), /Session not found or may have expired/);
  const sessions = new authn.SessionsClient(started.brigade.address, '');
  await assert.rejects(sessions.createRootSession('wrong'), /using the supplied credentials/);
  await assert.rejects(sessions.createUserSession(), /not supported/);
});

test('the SDK manages service accounts', async (t) => {
  const started = await startTestBrigade(t);
  const accounts = (await logIn(started)).authn().serviceAccounts();
  const { value } = await accounts.create({ metadata: { id: 'gateway' }, description: 'A gateway' });
  const again = { metadata: { id: 'gateway' }, description: 'A gateway' };
  await assert.rejects(accounts.create(again), /A service account with the ID "gateway" already exists\./);
  assert.equal((await accounts.get('gateway')).description, 'A gateway');
  assert.deepEqual(
    (await accounts.list()).items.map(({ metadata }) => metadata?.id),
    ['gateway'],
  );
  const gateway = new APIClient(started.brigade.address, value);
  await accounts.lock('gateway');
  await assert.rejects(gateway.authn().whoAmI(), /not authorized/);
  const unlocked = new APIClient(started.brigade.address, (await accounts.unlock('gateway')).value);
  assert.equal((await unlocked.authn().whoAmI()).id, 'gateway');
  await accounts.delete('gateway');
  await assert.rejects(accounts.get('gateway'), /ServiceAccount "gateway" not found/);
});

test('the SDK manages roles', async (t) => {
  const client = await logIn(await startTestBrigade(t));
  await client
    .authn()
    .serviceAccounts()
    .create({ metadata: { id: 'gateway' }, description: 'A gateway' });
  const roles = client.authz().roleAssignments();
  const role = () => ({
    role: 'EVENT_CREATOR',
    principal: { type: authz.PrincipalTypeServiceAccount, id: 'gateway' },
    scope: 'brigade.sh/acr',
  });
  await roles.grant(role());
  const { items } = await roles.list({ principal: role().principal });
  assert.deepEqual(
    items.map(({ role, principal, scope }) => [role, principal.id, scope]),
    [['EVENT_CREATOR', 'gateway', 'brigade.sh/acr']],
  );
  await roles.revoke(role());
  assert.equal((await roles.list()).items, undefined);
  const missing = { ...role(), principal: { type: authz.PrincipalTypeServiceAccount, id: 'missing' } };
  await assert.rejects(roles.grant(missing), /ServiceAccount "missing" not found/);
});

test('the SDK manages projects', async (t) => {
  const projects = (await logIn(await startTestBrigade(t))).core().projects();
  const made = await projects.create(aProject('acr-sdk'));
  assert.match(JSON.stringify(made.kubernetes), /^\{"namespace":"brigade-/);
  await assert.rejects(projects.create(aProject('acr-sdk')), /Project "acr-sdk" already exists\./);
  assert.deepEqual((await projects.get('acr-sdk')).spec.eventSubscriptions, aProject('').spec.eventSubscriptions);
  await assert.rejects(projects.update(aProject('acr-new')), /Project "acr-new" not found/);
  await projects.update(aProject('acr-new'), { CreateIfNotFound: true });
  const first = await projects.list({}, { limit: 1, continue: '' });
  assert.deepEqual([first.items.length, first.metadata.continue], [1, 'acr-new']);
  const second = await projects.list({}, { limit: 1, continue: first.metadata.continue ?? '' });
  assert.equal(second.items[0]?.metadata.id, 'acr-sdk');
  await projects.delete('acr-sdk');
  await assert.rejects(projects.get('acr-sdk'), /not found/);
  await assert.rejects(projects.create(aProject('Acr')), /Bad request: .*\n.*metadata\.id: Does not match pattern/);
});

test('the SDK manages events', async (t) => {
  const client = await logIn(await startTestBrigade(t));
  await client.core().projects().create(aProject('acr-sdk'));
  const events = client.core().events();
  const { items } = await events.create({ ...PUSH, payload: '<>&' });
  assert.equal(items.length, 1);
  const id = items[0]?.metadata?.id ?? '';
  assert.equal((await events.get(id)).payload, '<>&');
  assert.equal((await events.create({ ...PUSH, type: 'delete' })).items, undefined);
  const listed = await events.list({ projectID: 'acr-sdk', workerPhases: [core.WorkerPhase.Pending] });
  assert.deepEqual([listed.items.length, listed.metadata.remainingItemCount], [1, 0]);

  const clone = await events.clone(id);
  assert.equal(clone.labels?.['brigade.sh/cloneOf'], id);
  await assert.rejects(events.retry(id), /non-terminal/);
  await events.cancel(id);
  await assert.rejects(events.cancel(id), /already in a terminal state/);
  assert.equal((await events.retry(id)).labels?.['brigade.sh/retryOf'], id);
  const pending = { projectID: 'acr-sdk', workerPhases: [core.WorkerPhase.Pending] };
  assert.equal((await events.cancelMany(pending)).count, 2);
  await events.delete(id);
  await assert.rejects(events.get(id), new RegExp(`Event "${id}" not found`));
  assert.equal((await events.deleteMany({ ...pending, workerPhases: [core.WorkerPhase.Canceled] })).count, 2);
});

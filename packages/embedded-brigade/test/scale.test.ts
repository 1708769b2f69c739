import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ApiClient, anEvent, aProject, startTestBrigade } from './api-client.ts';

const PROJECTS = 500;
const ROUNDS = 20;

interface Page {
  readonly metadata: { readonly continue?: string; readonly remainingItemCount: number };
  readonly items?: readonly { readonly metadata: { readonly id: string } }[];
}

/** Reads a whole list page by page, and checks that each page says how many items are left. */
async function everything(client: ApiClient, path: string, total: number, limit: number): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let next: string | undefined = ''; next !== undefined; ) {
    const { json } = await client.get(`${path}limit=${limit}${next && `&continue=${encodeURIComponent(next)}`}`);
    const page: Page = json;
    ids.push(...(page.items ?? []).map(({ metadata }) => metadata.id));
    assert.equal(page.metadata.remainingItemCount, total - ids.length);
    next = page.metadata.continue;
  }
  return ids;
}

/** The clock moves on after every fourth round, so that pages are also cut between events that are equally new. */
function aSlowClock(): { readonly now: () => bigint; readonly tick: () => void } {
  let now = 1_795_352_368_106_017_390n;
  return {
    now: () => now,
    tick: () => {
      now += 1_000_000n;
    },
  };
}

test('500 projects and 10,000 events are listed page by page, each once, with how many are left', async (t) => {
  const clock = aSlowClock();
  const { root } = await startTestBrigade(t, { now: clock.now });
  for (let number = 0; number < PROJECTS; number += 1) {
    const { status } = await root.post('/v2/projects', aProject(`project-${number}`));
    assert.equal(status, 201);
  }
  for (let round = 0; round < ROUNDS; round += 1) {
    if (round % 4 === 0) clock.tick();
    const { json } = await root.post('/v2/events', anEvent({ type: round % 2 === 0 ? 'push' : 'delete' }));
    assert.equal(json.items.length, PROJECTS);
  }

  const projects = await everything(root, '/v2/projects?', PROJECTS, 20);
  assert.deepEqual(projects, [...new Set(projects)].sort());
  assert.equal(projects.length, PROJECTS);

  const all = PROJECTS * ROUNDS;
  assert.equal(new Set(await everything(root, '/v2/events?', all, 100)).size, all);
  assert.equal(new Set(await everything(root, '/v2/events?type=push&', all / 2, 73)).size, all / 2);
  assert.equal(new Set(await everything(root, '/v2/events?projectID=project-7&', ROUNDS, 3)).size, ROUNDS);
});

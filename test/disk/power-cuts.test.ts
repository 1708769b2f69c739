import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { NO_COMPILER } from '../support/preload.ts';
import { IN_MEMORY, temporaryFolder } from '../support/test-database.ts';
import { Disk } from './disk.ts';
import { type CutOptions, cutPower, problemsOf, problemsOfServing, type Run, recordRun } from './power-cuts.ts';

// The long form is `node bench/power-cuts.ts`.

const seed = Number(process.env['POWER_CUT_SEED'] ?? randomInt(2 ** 31));

const run = NO_COMPILER === false ? await recordRun({ after }, { lives: 2, webhooks: 150 }) : undefined;

/** A test of the recorded run. */
function ofRun(title: string, work: (context: TestContext, run: Run) => unknown): void {
  test(title, { skip: NO_COMPILER }, async (context) => {
    context.diagnostic(`seed: ${seed} (give it as POWER_CUT_SEED to cut at the same places of another recording)`);
    await work(context, run ?? assert.fail());
  });
}

/** The problems of each image that has any. */
function problems(context: TestContext, recorded: Run, options: Omit<CutOptions, 'seed'>): readonly string[] {
  const folder = temporaryFolder(context, IN_MEMORY);
  return [...cutPower(recorded, { ...options, seed })].flatMap((cut, index) => {
    const found = problemsOf(recorded, cut, join(folder, String(index)));
    return found.length === 0 ? [] : [`${cut.loss} after ${cut.entries} entries: ${found.join('\n')}`];
  });
}

ofRun('the recording has everything that reaches the files of the journal', (_, { entries, folder }) => {
  const disk = new Disk();
  for (const entry of entries) disk.apply(entry);
  const image = disk.image('kill', () => 0);
  assert.deepEqual([...image.keys()].toSorted(), readdirSync(folder).toSorted());
  for (const [name, content] of image) {
    if (!name.endsWith('-shm')) assert.ok(content.equals(readFileSync(join(folder, name))), name);
  }
});

ofRun('no power cut loses or repeats an event, or damages the journal', (context, recorded) => {
  assert.deepEqual(problems(context, recorded, { images: 140 }), []);
});

ofRun('after a power cut, the gateway delivers what it had acknowledged', async (context, recorded) => {
  for (const cut of cutPower(recorded, { images: 4, seed })) {
    assert.deepEqual(await problemsOfServing(context, recorded, cut), [], cut.loss);
  }
});

test('no power cut loses an event after syncs that failed', { skip: NO_COMPILER }, async (context) => {
  const recorded = await recordRun(context, { lives: 1, webhooks: 150, failEvery: 17 });
  assert.ok(recorded.entries.some(({ kind }) => kind === 'failed-sync'));
  assert.deepEqual(problems(context, recorded, { images: 60 }), []);
});

for (const [what, ignored] of Object.entries({ log: 'journal.db-wal', database: 'journal.db', folder: '' })) {
  ofRun(`a disk that ignores the syncs of the ${what} is found out`, (context, recorded) => {
    assert.notDeepEqual(problems(context, recorded, { images: 20, isIgnored: (name) => name === ignored }), []);
  });
}

import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { fillJournal, openDamaged, randomDamage } from '../test/support/damage.ts';
import { mulberry32 } from '../test/support/random.ts';

// node bench/damage.ts [--places N] [--seed S]: flips a bit or cuts a file at N random places of a journal, and opens it. Ends
// with 1 if events are missing silently anywhere. The places of a seed are always the same.

const { values: flags } = parseArgs({
  options: { places: { type: 'string', default: '500' }, seed: { type: 'string' } },
});
const seed = Number(flags.seed ?? randomInt(2 ** 31));
const random = mulberry32(seed);
const folder = mkdtempSync(join(tmpdir(), 'damage-'));
const filled = await fillJournal(folder);
const counts = { places: Number(flags.places), whole: 0, reported: 0, silent: 0 };
for (let place = 0; place < counts.places; place++) {
  const damage = randomDamage(filled, random);
  const copy = join(folder, 'damaged');
  try {
    const fault = openDamaged(filled, copy, damage);
    if (fault === undefined) counts.whole++;
    else counts.reported++;
  } catch (error) {
    counts.silent++;
    process.stdout.write(`place ${place}, ${JSON.stringify(damage)}: ${String(error)}\n`);
  }
  rmSync(copy, { recursive: true });
}
rmSync(folder, { recursive: true });
process.stdout.write(`seed ${seed}: ${JSON.stringify(counts)}\n`);
process.exitCode = counts.silent > 0 ? 1 : 0;

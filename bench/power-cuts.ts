import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LOSSES } from '../test/disk/disk.ts';
import { cutPower, problemsOf, problemsOfServing, recordRun, writeImage } from '../test/disk/power-cuts.ts';
import { mulberry32 } from '../test/support/random.ts';
import { IN_MEMORY } from '../test/support/test-database.ts';

// node bench/power-cuts.ts [IMAGES] [SEED]: records gateways under load, cuts the power that many times, and fails when an
// image of the disk has lost or repeats an event, or cannot be opened. Such images are kept.

/** Recordings, each with its share of the images. In every other one, syncs fail. */
const RECORDINGS = 10;
const FAIL_EVERY = 29;
/** Images of each recording that the gateway itself is started with. */
const SERVED = 4;

const images = Number(process.argv[2] ?? 1000);
const seed = Number(process.argv[3] ?? randomInt(2 ** 31));
const random = mulberry32(seed);
const works: (() => unknown)[] = [];
const cleanup = { after: (work: () => unknown) => works.push(work) };
const scratch = mkdtempSync(join(IN_MEMORY, 'power-cuts-'));
let bad = 0;
let acknowledged = 0;

print(`${images} power cuts (${LOSSES.join(', ')}), seed ${seed}`);
try {
  for (let recording = 0; recording < RECORDINGS; recording += 1) {
    const failEvery = recording % 2 === 0 ? {} : { failEvery: FAIL_EVERY };
    const run = await recordRun(cleanup, { lives: 3, webhooks: 400, ...failEvery });
    const accepted = run.answers.flatMap(({ what }) => what).filter(({ seq }) => seq !== undefined).length;
    acknowledged += accepted;
    const syncs = run.entries.filter(({ kind }) => kind === 'failed-sync').length;
    print(
      `recording ${recording}: ${run.entries.length} operations, ${syncs} failed syncs, ${accepted} events acknowledged`,
    );
    const cuts = { images: Math.ceil(images / RECORDINGS), seed: Math.floor(random() * 2 ** 31) };
    for (const [index, cut] of [...cutPower(run, cuts)].entries()) {
      const what = `recording-${recording}-${index}-${cut.loss}`;
      complain(what, cut.image, problemsOf(run, cut, join(scratch, what)));
    }
    for (const cut of cutPower(run, { ...cuts, images: SERVED })) {
      complain(`served-${recording}-${cut.loss}`, cut.image, await problemsOfServing(cleanup, run, cut));
    }
  }
  const served = SERVED * RECORDINGS;
  print(
    `${acknowledged} events acknowledged; ${served} more images served by the gateway; ${bad} images with problems`,
  );
} finally {
  for (const work of works.toReversed()) await work();
  rmSync(scratch, { recursive: true });
}
process.exitCode = bad === 0 ? 0 : 1;

function complain(what: string, image: Parameters<typeof writeImage>[0], problems: readonly string[]): void {
  if (problems.length === 0) return;
  bad += 1;
  const folder = join(mkdtempSync(join(tmpdir(), 'power-cut-')), what);
  writeImage(image, folder);
  print(`${folder}:\n  ${problems.slice(0, 10).join('\n  ')}`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { aLineLog } from '../../test/support/line-log.ts';
import { Metrics } from '../observe/metrics.ts';
import { connectSink } from './connect-sink.ts';
import { FileWatcher } from './watched-files.ts';

const FIXTURES = new URL('../config/fixtures/', import.meta.url).pathname;

for (const [what, replace] of [
  ['token', (folder: string) => writeFile(join(folder, 'token'), 'another-token')],
  ['authority', (folder: string) => cp(join(FIXTURES, 'other.crt'), join(folder, 'ca.crt'))],
] as const) {
  test(`a new ${what} of the sink is reported, so that the sink is probed at once`, { timeout: 30_000 }, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'connect-sink-'));
    await writeFile(join(folder, 'token'), 'a-token');
    await cp(join(FIXTURES, 'one.crt'), join(folder, 'ca.crt'));
    const watcher = new FileWatcher(aLineLog().log, new Metrics());
    const { sink, onChange } = await connectSink(
      {
        kind: 'brigade',
        address: 'https://brigade.example',
        token: { kind: 'file', path: join(folder, 'token') },
        caPath: join(folder, 'ca.crt'),
        ignoreCertWarnings: false,
      },
      watcher,
    );
    t.after(async () => {
      watcher[Symbol.dispose]();
      await sink.close();
      await rm(folder, { recursive: true });
    });
    const changed = new Promise<void>((resolve) => onChange(resolve));
    await replace(folder);
    // The watcher's timers do not keep the process alive.
    const alive = setInterval(() => {}, 1000);
    await changed;
    clearInterval(alive);
  });
}

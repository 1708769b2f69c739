import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mulberry32 } from '../support/random.ts';
import { Disk, type Loss } from './disk.ts';
import type { Entry } from './recording.ts';

const INODE = 1;
const CREATE: Entry = { kind: 'create', name: 'a', inode: INODE };
const SYNC: Entry = { kind: 'sync', name: 'a', inode: INODE };
const FAILED_SYNC: Entry = { ...SYNC, kind: 'failed-sync' };
const SYNC_FOLDER: Entry = { kind: 'sync', name: '', inode: 2 };

function write(text: string, offset = 0): Entry {
  return { kind: 'write', inode: INODE, offset, data: Buffer.from(text) };
}

/** What can be left: the content of each file, for a hundred losses. */
function outcomes(loss: Loss, ...entries: readonly Entry[]): ReadonlySet<string> {
  const disk = new Disk();
  for (const entry of entries) disk.apply(entry);
  const random = mulberry32(1);
  const images = Array.from({ length: 100 }, () => [...disk.image(loss, random)]);
  return new Set(images.map((image) => image.map(([name, content]) => `${name}=${content}`).join(' ')));
}

test('a killed process leaves everything that it wrote', () => {
  assert.deepEqual(outcomes('kill', CREATE, write('one'), FAILED_SYNC, write('!', 3)), new Set(['a=one!']));
});

test('of a file only what was synced is sure to survive', () => {
  const entries = [CREATE, write('one'), SYNC, SYNC_FOLDER, write('two'), write('!', 3)];
  assert.deepEqual(outcomes('synced', ...entries), new Set(['a=one']));
  assert.deepEqual(outcomes('reordered', ...entries), new Set(['a=one', 'a=two', 'a=one!', 'a=two!']));
});

test('a name is sure to survive once its folder was synced', () => {
  const rename: Entry = { kind: 'rename', name: 'a', to: 'b' };
  assert.deepEqual(outcomes('synced', CREATE, write('one'), SYNC), new Set(['']));
  assert.deepEqual(outcomes('synced', CREATE, write('one'), SYNC, SYNC_FOLDER, rename), new Set(['a=one']));
  assert.deepEqual(outcomes('reordered', CREATE, SYNC_FOLDER, rename), new Set(['a=', 'b=']));
});

test('what a failed sync dropped may be missing after one that succeeds', () => {
  const entries = [CREATE, write('one'), FAILED_SYNC, write('!', 3), SYNC, SYNC_FOLDER];
  assert.deepEqual(outcomes('synced', ...entries), new Set(['a=\0\0\0!']));
  assert.deepEqual(outcomes('reordered', ...entries), new Set(['a=\0\0\0!', 'a=one!']));
});

test('a torn write leaves any of its sectors', () => {
  const torn = outcomes('torn', CREATE, SYNC_FOLDER, write('x'.repeat(512), 256));
  const [first, second, hole] = ['x'.repeat(256), 'x'.repeat(256), '\0'.repeat(256)];
  assert.deepEqual(
    torn,
    new Set(['a=', `a=${hole}${first}`, `a=${hole}${hole}${second}`, `a=${hole}${first}${second}`]),
  );
});

test('a file that was removed keeps no name, and its number may go to another', () => {
  const entries: readonly Entry[] = [CREATE, write('old'), { kind: 'unlink', name: 'a' }, CREATE, write('new')];
  assert.deepEqual(outcomes('kill', ...entries), new Set(['a=new']));
});

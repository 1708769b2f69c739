import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { readFileSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, rename, rm, symlink, truncate, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Issue } from '../model/webhook.ts';
import type { ParseFiles } from './file-content.ts';
import { parseTlsFiles } from './file-types.ts';
import { WatchedFile } from './watched-file.ts';

const POLL_MS = 5;

/** Takes any text but one that begins with `bad`. */
const parseText: ParseFiles<string> = (...contents) => {
  const text = contents.map((content) => new TextDecoder().decode(content)).join('+');
  if (!text.startsWith('bad')) return { kind: 'value', value: text };
  return { kind: 'issues', issues: [{ path: '', expected: 'good', received: 'bad' }] };
};

let directory: string;
const opened: { close(): void }[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'watched-file-'));
});

afterEach(async () => {
  for (const watched of opened.splice(0)) watched.close();
  await rm(directory, { recursive: true });
});

/** A watched file with its signals: `changed` and `rejected`, each of which can be awaited. */
async function watch<T>(names: readonly string[], parse: ParseFiles<T>) {
  const signals = new EventEmitter();
  const rejections: (readonly Issue[])[] = [];
  const onRejected = (issues: readonly Issue[]) => {
    rejections.push(issues);
    signals.emit('rejected');
  };
  const paths = names.map((name) => join(directory, name));
  const parsed = await WatchedFile.open({ paths, parse, onRejected, pollMs: POLL_MS });
  assert.equal(parsed.kind, 'value');
  const watched = parsed.value;
  opened.push(watched);
  watched.onChange(() => signals.emit('changed'));
  /** Does something and waits for what comes of it. */
  const expectAfter = async (signal: 'changed' | 'rejected', act: () => Promise<unknown>): Promise<void> => {
    const signalled = once(signals, signal);
    // A watched file does not keep the process alive; a test that waits for one must.
    const alive = setInterval(() => {}, 1000);
    await act();
    await signalled;
    clearInterval(alive);
  };
  return { watched, rejections, expectAfter };
}

/** At once, so that no look finds it half done. */
async function write(name: string, text: string | Uint8Array): Promise<void> {
  await writeFile(join(directory, 'unfinished'), text);
  await rename(join(directory, 'unfinished'), join(directory, name));
}

/** Outlasts several looks of every other watched file: each change of the witness takes two looks at the same pace. */
async function letLooksGoBy(): Promise<void> {
  await write('witness', '0');
  const { watched, expectAfter } = await watch(['witness'], parseText);
  for (const text of ['1', '2', '3']) await expectAfter('changed', () => write('witness', text));
  watched.close();
}

describe('a watched file', () => {
  it('follows a file that is written anew', async () => {
    await write('file', 'one');
    const { watched, expectAfter } = await watch(['file'], parseText);
    assert.equal(watched.current(), 'one');
    await expectAfter('changed', () => truncate(join(directory, 'file')));
    await expectAfter('changed', () => appendFile(join(directory, 'file'), 'two'));
    assert.equal(watched.current(), 'two');
  });

  it('follows a file that another is renamed over', async () => {
    await write('file', 'one');
    const { watched, expectAfter } = await watch(['file'], parseText);
    await expectAfter('changed', () => write('file', 'two'));
    assert.equal(watched.current(), 'two');
  });

  it('follows the symlink swap of a mounted Kubernetes secret', async () => {
    const at = (name: string) => join(directory, name);
    for (const [version, text] of [
      ['..2024_one', 'one'],
      ['..2024_two', 'two'],
    ] as const) {
      await mkdir(at(version));
      await write(`${version}/file`, text);
    }
    await symlink('..2024_one', at('..data'));
    await symlink('..data/file', at('file'));
    const { watched, expectAfter, rejections } = await watch(['file'], parseText);
    await expectAfter('changed', async () => {
      await symlink('..2024_two', at('..data_tmp'));
      await rename(at('..data_tmp'), at('..data'));
      await rm(at('..2024_one'), { recursive: true });
    });
    assert.equal(watched.current(), 'two');
    assert.deepEqual(rejections, []);
  });

  it('keeps its value when the new content is bad, reports that once, and takes the next good one', async () => {
    await write('file', 'one');
    const { watched, rejections, expectAfter } = await watch(['file'], parseText);
    await expectAfter('rejected', () => write('file', 'bad'));
    await letLooksGoBy();
    assert.equal(watched.current(), 'one');
    assert.deepEqual(rejections, [[{ path: '', expected: 'good', received: 'bad' }]]);
    await expectAfter('rejected', () => write('file', 'bad again'));
    await expectAfter('changed', () => write('file', 'two'));
    assert.equal(watched.current(), 'two');
    assert.equal(rejections.length, 2);
  });

  it('keeps its value when the file is gone, and says when it is back as before', async () => {
    await write('file', 'one');
    const { watched, rejections, expectAfter } = await watch(['file'], parseText);
    await expectAfter('rejected', () => unlink(join(directory, 'file')));
    assert.match(rejections[0]?.[0]?.received ?? '', /no such file/);
    await expectAfter('changed', () => write('file', 'one'));
    assert.equal(watched.current(), 'one');
  });

  it('never takes a file that is larger than a mebibyte', async () => {
    await write('file', 'one');
    const { watched, rejections, expectAfter } = await watch(['file'], parseText);
    await expectAfter('rejected', () => truncate(join(directory, 'file'), 2 ** 20 + 1));
    assert.equal(rejections[0]?.[0]?.expected, 'at most 1048576 bytes');
    await expectAfter('changed', () => truncate(join(directory, 'file'), 3));
    assert.equal(watched.current(), 'one');
  });

  it('replaces a certificate and its key together, never one without the other', async () => {
    const fixture = (name: string) => readFileSync(join(import.meta.dirname, 'fixtures', name));
    await write('crt', fixture('one.crt'));
    await write('key', fixture('one.key'));
    const { watched, rejections, expectAfter } = await watch(['crt', 'key'], parseTlsFiles);
    const first = watched.current();
    await expectAfter('rejected', () => write('crt', fixture('other.crt')));
    assert.equal(watched.current(), first);
    assert.equal(rejections[0]?.[0]?.expected, 'the private key of the certificate');
    await expectAfter('changed', () => write('key', fixture('other.key')));
    assert.deepEqual(watched.current(), { cert: `${fixture('other.crt')}`, key: `${fixture('other.key')}` });
  });

  it('is silent once it is closed, also when it is looking just then', async () => {
    await write('file', 'one');
    const many = await Promise.all(Array.from({ length: 50 }, () => watch(['file'], parseText)));
    await letLooksGoBy();
    for (const { watched } of many) watched.close();
    await write('file', 'bad');
    await letLooksGoBy();
    await write('file', 'two');
    await letLooksGoBy();
    for (const { watched, rejections } of many) assert.deepEqual([watched.current(), rejections], ['one', []]);
  });

  it('cannot be opened on what is no file, and tells so of each path', async () => {
    const paths = [directory, join(directory, 'none')];
    const parsed = await WatchedFile.open({ paths, parse: parseText, onRejected: () => assert.fail() });
    assert.equal(parsed.kind, 'issues');
    assert.deepEqual(
      parsed.issues.map(({ expected }) => expected),
      ['a regular file', 'a file that can be read'],
    );
  });
});

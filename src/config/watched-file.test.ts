import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, rename, rm, symlink, truncate, unlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { ParseIssue } from '../model/parsed.ts';
import { parseTlsFiles } from './secret-files.ts';
import { type ParseFiles, WatchedFile } from './watched-file.ts';

/** Takes any text but one that begins with `bad`. */
const parseText: ParseFiles<string> = (...contents) => {
  const text = contents.map((content) => new TextDecoder().decode(content)).join('+');
  if (!text.startsWith('bad')) return { kind: 'value', value: text };
  return { kind: 'issues', issues: [{ path: '', message: 'must be good' }] };
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

/** A watched file that looks only when the test says so. */
async function watch<T>(names: readonly string[], parse: ParseFiles<T>, now = Date.now) {
  const rejections: (readonly ParseIssue[])[] = [];
  const changes: T[] = [];
  let next: (() => Promise<void>) | undefined;
  const parsed = await WatchedFile.open({
    paths: names.map((name) => join(directory, name)),
    parse,
    onRejected: (issues) => rejections.push(issues),
    now,
    later: (look) => {
      next = look;
      return () => {
        next = undefined;
      };
    },
  });
  assert.equal(parsed.kind, 'value');
  const watched = parsed.value;
  opened.push(watched);
  watched.onChange((value) => changes.push(value));
  const look = async () => next?.();
  /** A content counts once two looks in a row found it. */
  const lookTwice = async () => {
    await look();
    await look();
  };
  return { watched, rejections, changes, look, lookTwice };
}

/** At once, so that no look finds it half done. */
async function write(name: string, text: string | Uint8Array): Promise<void> {
  await writeFile(join(directory, 'unfinished'), text);
  await rename(join(directory, 'unfinished'), join(directory, name));
}

describe('a watched file', () => {
  it('follows a file that is written anew', async () => {
    await write('file', 'one');
    const { watched, lookTwice } = await watch(['file'], parseText);
    assert.equal(watched.current(), 'one');
    await truncate(join(directory, 'file'));
    await lookTwice();
    assert.equal(watched.current(), '');
    await appendFile(join(directory, 'file'), 'two');
    await lookTwice();
    assert.equal(watched.current(), 'two');
  });

  it('takes a content only when two looks in a row found it', async () => {
    await write('file', 'one');
    const { watched, changes, rejections, look } = await watch(['file'], parseText);
    for (const half of ['bad half', 'tw', 'two']) {
      await write('file', half);
      await look();
    }
    assert.deepEqual([watched.current(), changes, rejections], ['one', [], []]);
    await look();
    assert.deepEqual(changes, ['two']);
  });

  /** How many bytes this process has read. */
  const bytesRead = () => Number(/^rchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1]);
  const aMinuteLater = () => Date.now() + 60_000;

  it('is not read again as long as its inode, size and times stay', {
    skip: process.platform !== 'linux',
  }, async () => {
    await write('file', 'x'.repeat(100_000));
    const { look, lookTwice } = await watch(['file'], parseText, aMinuteLater);
    await lookTwice();
    const before = bytesRead();
    for (let n = 0; n < 10; n++) await look();
    assert.ok(bytesRead() - before < 100_000);
  });

  it('is read again as long as it is new', { skip: process.platform !== 'linux' }, async () => {
    await write('file', 'x'.repeat(100_000));
    const { look } = await watch(['file'], parseText);
    const before = bytesRead();
    for (let n = 0; n < 10; n++) await look();
    assert.ok(bytesRead() - before >= 1_000_000);
  });

  it('follows an old file that is replaced by one of the same size and time', async () => {
    const [one, two, file] = ['one', 'two', 'file'].map((name) => join(directory, name));
    assert.ok(one && two && file);
    for (const path of [one, two]) {
      await writeFile(path, path.slice(-3));
      await utimes(path, 1000, 1000);
    }
    await rename(one, file);
    const { watched, lookTwice } = await watch(['file'], parseText, aMinuteLater);
    await lookTwice();
    await rename(two, file);
    await lookTwice();
    assert.equal(watched.current(), 'two');
    await writeFile(file, 'six');
    await utimes(file, 1000, 1000);
    await lookTwice();
    assert.equal(watched.current(), 'six');
  });

  it('follows a file that another is renamed over', async () => {
    await write('file', 'one');
    const { watched, lookTwice } = await watch(['file'], parseText);
    await write('file', 'two');
    await lookTwice();
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
    const { watched, rejections, lookTwice } = await watch(['file'], parseText);
    await symlink('..2024_two', at('..data_tmp'));
    await rename(at('..data_tmp'), at('..data'));
    await rm(at('..2024_one'), { recursive: true });
    await lookTwice();
    assert.equal(watched.current(), 'two');
    assert.deepEqual(rejections, []);
  });

  it('keeps its value when the new content is bad, reports that once, and takes the next good one', async () => {
    await write('file', 'one');
    const { watched, rejections, lookTwice } = await watch(['file'], parseText);
    await write('file', 'bad');
    await lookTwice();
    await lookTwice();
    assert.equal(watched.current(), 'one');
    assert.deepEqual(rejections, [[{ file: join(directory, 'file'), path: '', message: 'must be good' }]]);
    await write('file', 'bad again');
    await lookTwice();
    await write('file', 'two');
    await lookTwice();
    assert.equal(watched.current(), 'two');
    assert.equal(rejections.length, 2);
  });

  it('keeps its value when the file is gone, and reports when it is back as before', async () => {
    await write('file', 'one');
    const { watched, rejections, changes, lookTwice } = await watch(['file'], parseText);
    await unlink(join(directory, 'file'));
    await lookTwice();
    assert.match(rejections[0]?.[0]?.message ?? '', /no such file/);
    await write('file', 'one');
    await lookTwice();
    assert.deepEqual([watched.current(), changes], ['one', ['one']]);
  });

  it('never takes a file that is larger than a mebibyte', async () => {
    await write('file', 'one');
    const { watched, rejections, lookTwice } = await watch(['file'], parseText);
    await truncate(join(directory, 'file'), 2 ** 20 + 1);
    await lookTwice();
    assert.equal(rejections[0]?.[0]?.message, 'must have at most 1048576 bytes');
    await truncate(join(directory, 'file'), 3);
    await lookTwice();
    assert.equal(watched.current(), 'one');
  });

  it('replaces a certificate and its key together, never one without the other', async () => {
    const fixture = (name: string) => readFileSync(join(import.meta.dirname, 'fixtures', name));
    await write('crt', fixture('one.crt'));
    await write('key', fixture('one.key'));
    const { watched, rejections, lookTwice } = await watch(['crt', 'key'], parseTlsFiles);
    const first = watched.current();
    await write('crt', fixture('other.crt'));
    await lookTwice();
    assert.equal(watched.current(), first);
    assert.equal(rejections[0]?.[0]?.message, 'must be the private key of the certificate');
    await write('key', fixture('other.key'));
    await lookTwice();
    const { cert, key } = watched.current();
    assert.deepEqual([cert, key], [`${fixture('other.crt')}`, `${fixture('other.key')}`]);
  });

  it('is silent once it is closed, even when it is looking just then', async () => {
    await write('file', 'one');
    const { watched, changes, look } = await watch(['file'], parseText);
    await write('file', 'two');
    await look();
    const looking = look();
    watched.close();
    await looking;
    await look();
    assert.deepEqual([watched.current(), changes], ['one', []]);
  });

  it('cannot be opened on what is not a file, and reports each path', async () => {
    const paths = [directory, join(directory, 'none')];
    const parsed = await WatchedFile.open({ paths, parse: parseText, onRejected: () => assert.fail() });
    assert.equal(parsed.kind, 'issues');
    assert.deepEqual(
      parsed.issues.map(({ file, message }) => [file, message]),
      [
        [paths[0], 'must be a regular file, not a folder, a device or a pipe'],
        [paths[1], 'there is no such file (ENOENT)'],
      ],
    );
  });
});

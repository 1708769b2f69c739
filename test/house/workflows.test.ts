import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { list, read } from './repository.ts';

describe('a workflow', () => {
  const workflows = list('.github/workflows/*.yml');

  it('pins every action to a commit, and names its version', () => {
    const used = workflows.flatMap((path) =>
      [...read(path).matchAll(/\buses: (.+)$/gm)].map(([, action = '']) => action),
    );
    assert.ok(used.length > 5);
    const pinned = /^[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$|^\.\/\.github\/workflows\/\w+\.yml$/;
    assert.deepEqual(
      used.filter((action) => !pinned.test(action)),
      [],
    );
    const commits = new Map(used.map((action) => action.split(/[@ ]/)).map(([name, commit]) => [name, commit]));
    assert.deepEqual(
      used.filter((action) => action.includes('@') && !action.includes(`@${commits.get(action.split('@')[0])} `)),
      [],
    );
  });

  it('has read permission only, unless a job asks for more', () => {
    for (const path of workflows) assert.deepEqual(parse(read(path)).permissions, { contents: 'read' }, path);
  });
});

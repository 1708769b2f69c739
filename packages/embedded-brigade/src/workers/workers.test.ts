import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { type Ended, WorkerHarness } from '../../test/worker-harness.ts';
import type { WorkerTemplate } from '../project.ts';

/** A project with one script. */
function script(text: string, others: WorkerTemplate = {}): WorkerTemplate {
  return { defaultConfigFiles: { 'brigade.js': text }, ...others };
}

/** A script that handles the pushes of ACR with the body of a function of `event`. */
function handling(body: string, others?: WorkerTemplate): WorkerTemplate {
  return script(
    `const { events, Job } = require("@brigadecore/brigadier");
     events.on("brigade.sh/acr", "push", async event => { ${body} });
     events.process();`,
    others,
  );
}

async function run(t: TestContext, template: WorkerTemplate, payload?: string): Promise<Ended> {
  const harness = await WorkerHarness.make(t);
  const ended = await harness.run(template, payload);
  assert.deepEqual(harness.faults, []);
  await harness.close();
  assert.deepEqual(await readdir(join(harness.data, 'workers')), []);
  return ended;
}

/** A server to which scripts connect. The connection ends when the process of the script does, in any way. */
async function aLifeline(t: TestContext): Promise<{ readonly connect: string; next(): Promise<Socket> }> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  return {
    connect: `require("net").connect(${port}, "127.0.0.1")`,
    next: async () => {
      const [socket]: Socket[] = await once(server, 'connection');
      if (socket === undefined) throw new Error('no connection');
      return socket.resume();
    },
  };
}

// Each worker is a process, and most of a test is its start.
suite('workers', { concurrency: 4 }, () => {
  test('what the handler of an event prints is its log, and what it returns its summary', async (t) => {
    const body = 'console.log("got", JSON.parse(event.payload).tag); console.error("and more"); return "done";';
    const { event, phase, log } = await run(t, handling(body), '{"tag":"v1"}');
    assert.deepEqual(log, ['got v1', 'and more']);
    assert.equal(phase, 'SUCCEEDED');
    assert.equal(event.summary, 'done');
    assert.equal(event.worker.status.phase, 'SUCCEEDED');
    assert.ok(event.worker.status.started);
    assert.ok(event.worker.status.ended);
  });

  test('a handler for * is called if there is none for the type', async (t) => {
    const { log } = await run(
      t,
      script(`const { events } = require("@brigadecore/brigadier");
      events.on("brigade.sh/acr", "*", event => console.log(event.type)).on("brigade.sh/acr", "delete", () => {});
      events.process();`),
    );
    assert.deepEqual(log, ['push']);
  });

  test('a script finds its event as in a cluster, without secrets and without a way to the API', async (t) => {
    const template = handling('console.log(JSON.stringify(event));');
    const { log } = await run(t, template, 'text');
    assert.deepEqual(JSON.parse(log[0] ?? ''), {
      id: 'the-event',
      project: { id: 'a-project', kubernetes: { namespace: '' }, secrets: {} },
      source: 'brigade.sh/acr',
      type: 'push',
      qualifiers: { registry: 'example.azurecr.io' },
      labels: {},
      shortTitle: '',
      longTitle: '',
      payload: 'text',
      worker: {
        apiAddress: '',
        apiToken: '',
        logLevel: 'INFO',
        configFilesDirectory: '.brigade',
        defaultConfigFiles: template.defaultConfigFiles,
        git: null,
      },
    });
  });

  test('the environment of a worker has the path of its event, and nothing of ours', async (t) => {
    const { log } = await run(t, script('console.log(Object.keys(process.env).join("\\n"))'));
    assert.ok(log.includes('BRIGADE_EVENT_FILE'));
    const ofTheShell = ['PWD', 'OLDPWD', 'SHLVL', '_'];
    assert.deepEqual(
      log.filter((name) => !ofTheShell.includes(name)),
      ['BRIGADE_EVENT_FILE'],
    );
  });

  test('a worker has the lowest priority', async (t) => {
    assert.deepEqual((await run(t, script('console.log(require("os").getPriority())'))).log, ['19']);
  });

  test('a job is skipped with a line in the log, and the script goes on', async (t) => {
    const body = 'await Job.sequence(new Job("scan", "aquasec/trivy", event)).run(); console.log("scanned");';
    const { phase, log } = await run(t, handling(body));
    assert.deepEqual(log, [
      'Job "scan" (aquasec/trivy) needs a cluster: it is skipped, as if it had succeeded.',
      'scanned',
    ]);
    assert.equal(phase, 'SUCCEEDED');
  });

  test('the data folder may be behind a symbolic link', async (t) => {
    const harness = await WorkerHarness.make(t);
    await symlink(harness.data, join(harness.data, 'link'));
    harness.folder = 'link/workers';
    assert.deepEqual((await harness.run(handling('console.log("ran")'))).log, ['ran']);
  });

  test('a script keeps its module format even if the data folder lies in a package of ES modules', async (t) => {
    const harness = await WorkerHarness.make(t);
    await writeFile(join(harness.data, 'package.json'), '{"type":"module"}');
    assert.deepEqual((await harness.run(handling('console.log("ran")'))).log, ['ran']);
  });

  test('a script may be an ES module', async (t) => {
    const text = `import { events } from "@brigadecore/brigadier";
    events.on("brigade.sh/acr", "push", event => console.log(event.id));
    events.process();`;
    assert.deepEqual((await run(t, script(text))).log, ['the-event']);
  });

  test('a brigade.ts runs if Node can strip its types, and has priority over a brigade.js', async (t) => {
    const text = `import { events, type Event } from "@brigadecore/brigadier";
    events.on("brigade.sh/acr", "push", (event: Event) => console.log(event.id as string));
    events.process();`;
    const files = { 'brigade.js': 'console.log("old")', 'brigade.ts': text };
    assert.deepEqual((await run(t, { defaultConfigFiles: files })).log, ['the-event']);
    const { phase, log } = await run(t, { defaultConfigFiles: { 'brigade.ts': 'enum Colour { blue }' } });
    assert.equal(phase, 'FAILED');
    assert.match(log.join('\n'), /enum is not supported in strip-only mode/);
  });

  test('a script may require the other files of its project', async (t) => {
    const files = { 'brigade.js': 'console.log(require("./data.json").colour)', 'data.json': '{"colour":"blue"}' };
    assert.deepEqual((await run(t, { defaultConfigFiles: files })).log, ['blue']);
  });

  test('a script that never calls process() succeeds without handling anything', async (t) => {
    const text = `require("@brigadecore/brigadier").events.on("brigade.sh/acr", "push", () => console.log("never"));`;
    const { phase, log } = await run(t, script(text));
    assert.deepEqual(log, []);
    assert.equal(phase, 'SUCCEEDED');
  });

  test('a script of a megabyte runs', async (t) => {
    const { log } = await run(t, script(`${'// filling\n'.repeat(95_000)}console.log("ran")`));
    assert.deepEqual(log, ['ran']);
  });

  test('a project in a repository fails at once with the reason', async (t) => {
    const { phase, log } = await run(t, script('console.log("ran")', { git: { cloneURL: 'https://example.com/x' } }));
    assert.deepEqual(log, ['Not run: the project is in https://example.com/x, and repositories are not cloned here.']);
    assert.equal(phase, 'FAILED');
  });

  test('a project without a script fails with the reason', async (t) => {
    const { phase, log } = await run(t, { defaultConfigFiles: { 'package.json': '{}' } });
    assert.deepEqual(log, ['Not run: found nothing to run, neither a brigade.js nor a brigade.ts.']);
    assert.equal(phase, 'FAILED');
  });

  test('a project cannot write a file outside its folder', async (t) => {
    for (const name of ['../event.json', '/tmp/x', '..', '', 'a\0b']) {
      const { phase, log } = await run(t, { defaultConfigFiles: { 'brigade.js': '1', [name]: 'x' } });
      assert.match(log.join(), /^Not run: .* in defaultConfigFiles is not a file name\.$/);
      assert.equal(phase, 'FAILED');
    }
  });

  test('the log begins with what a cluster does for a project and this machine does not', async (t) => {
    const template: WorkerTemplate = {
      container: { image: 'example/worker' },
      timeoutDuration: 'a while',
      defaultConfigFiles: { 'brigade.js': 'console.log("ran")', 'package.json': '{"dependencies":{"left-pad":"1"}}' },
    };
    assert.deepEqual((await run(t, template)).log, [
      'The timeoutDuration cannot be read: the worker may run for 15 minutes.',
      'Node runs the script here, not the image example/worker.',
      'Dependencies are not installed and scripts of package.json are not run here; brigadier is there.',
      'ran',
    ]);
  });

  for (const [what, template, phase, log] of [
    [
      'loops without end',
      script('for (;;);', { timeoutDuration: '300ms' }),
      'TIMED_OUT',
      /^The worker was ended after 0\.3 s/,
    ],
    [
      'keeps a timer without end',
      script('setInterval(() => {}, 1000)', { timeoutDuration: '0.3s' }),
      'TIMED_OUT',
      /^The worker was ended after 0\.3 s, its timeoutDuration\.$/,
    ],
    ['throws', handling('throw new Error("thrown")'), 'FAILED', /^Error: thrown\n[\s\S]*\nThe worker exited with 1\.$/],
    [
      'rejects when its handler has long returned',
      handling('setImmediate(async () => { throw new Error("late"); });'),
      'FAILED',
      /^Error: late\n/,
    ],
    ['exits with 7', script('process.exit(7)'), 'FAILED', /^The worker exited with 7\.$/],
    ['is no JavaScript', script('const ='), 'FAILED', /SyntaxError/],
    [
      'fills its heap',
      script('const all = []; for (;;) all.push(new Array(1000).fill(Math.random()))'),
      'FAILED',
      /JavaScript heap out of memory[\s\S]*The worker was ended by SIGABRT\.$/,
    ],
    [
      'fills memory outside its heap',
      script('const all = []; for (;;) all.push(Buffer.alloc(1 << 20, 1))'),
      'FAILED',
      /^The worker was ended: it took more than 512 MiB of memory\.$/,
    ],
    [
      'wants more memory at once than it may have',
      script('Buffer.alloc(3e9, 1)'),
      'FAILED',
      /(?:Failed to allocate memory|allocation failed)/,
    ],
    ['starts a process', script('require("child_process").execSync("id")'), 'FAILED', /ERR_ACCESS_DENIED/],
    [
      'starts a thread',
      script('new (require("worker_threads").Worker)("1", { eval: true })'),
      'FAILED',
      /ERR_ACCESS_DENIED/,
    ],
    ['reads /etc/passwd', script('require("fs").readFileSync("/etc/passwd")'), 'FAILED', /ERR_ACCESS_DENIED/],
    ['writes a file', script('require("fs").writeFileSync("file", "x")'), 'FAILED', /ERR_ACCESS_DENIED/],
    ['kills its parent', script('process.kill(process.ppid, "SIGKILL")'), 'FAILED', /kill EPERM/],
    ['kills every process', script('process.kill(-1, "SIGKILL")'), 'FAILED', /kill EPERM/],
    ['opens its parent to a debugger', script('process._debugProcess(process.ppid)'), 'FAILED', /is not a function/],
    ['kills itself', script('process.kill(process.pid, "SIGTERM"); for (;;);'), 'FAILED', /ended by SIGTERM/],
  ] as const) {
    test(`a worker that ${what} has ${phase === 'FAILED' ? 'failed' : 'timed out'}, and its log says why`, async (t) => {
      const ended = await run(t, template);
      assert.equal(ended.phase, phase, ended.log.join('\n'));
      assert.match(ended.log.join('\n'), log);
    });
  }

  test('a worker can read neither secrets nor databases beside its folder', async (t) => {
    const harness = await WorkerHarness.make(t);
    await writeFile(join(harness.data, 'webhook-token'), 'secret');
    const { phase, log } = await harness.run(
      handling(`
      for (const read of [
        () => require("fs").readFileSync("${harness.data}/webhook-token", "utf8"),
        () => require("fs").readdirSync("${harness.data}"),
        () => require("${harness.data}/webhook-token"),
        () => new (require("node:sqlite").DatabaseSync)("${harness.data}/brigade.db"),
        () => process.getBuiltinModule("node:sqlite").DatabaseSync,
        () => require("fs").readFileSync("/proc/" + process.ppid + "/environ", "utf8"),
      ]) try { console.log("read", read()); } catch { console.log("not read"); }`),
    );
    assert.deepEqual(log, Array(6).fill('not read'));
    assert.equal(phase, 'SUCCEEDED');
  });

  test('the log stores the first megabyte of 100 MB of output, and the worker goes on', async (t) => {
    const { phase, log } = await run(t, script('for (let n = 0; n < 10000; n++) console.log("x".repeat(9999))'));
    assert.equal(phase, 'SUCCEEDED');
    assert.equal(log.at(-1), 'What the worker printed after this is not kept: its log is full.');
    const bytes = log.join('\n').length;
    assert.ok(bytes > 1_000_000 && bytes < 1_100_000, String(bytes));
  });

  test('the log stores the beginning of a line without an end, and a full log still says how the worker ended', async (t) => {
    const text = `process.stdout.write("y".repeat(50_000_000)); console.log("\\n".repeat(100_000)); process.exit(3)`;
    const { log } = await run(t, script(text));
    assert.equal(log[0], `${'y'.repeat(16 * 1024)}…`);
    assert.ok(log.length < 70_000, String(log.length));
    assert.equal(log.at(-1), 'The worker exited with 3.');
  });

  test('a worker is ended when its event is canceled, and the event stays canceled', async (t) => {
    const harness = await WorkerHarness.make(t);
    const lifeline = await aLifeline(t);
    const id = harness.add('event', script(`${lifeline.connect}; setInterval(() => {}, 1000)`));
    const workers = harness.start();
    const life = await lifeline.next();
    const dead = once(life, 'close');
    harness.events.cancel(id);
    workers.cancel(id);
    await dead;
    assert.equal(await harness.ended(id), 'ABORTED');
    assert.equal(harness.phaseOf(id), 'ABORTED');
    assert.deepEqual(harness.log(id), ['The worker was ended: its event was canceled.']);
  });

  test('the worker of an event that is deleted ends, and leaves no log', async (t) => {
    const harness = await WorkerHarness.make(t);
    const id = harness.add('event', script('console.log("up"); setInterval(() => {}, 1000)'));
    const workers = harness.start();
    await harness.printed(id);
    harness.events.delete(id);
    workers.cancel(id);
    await harness.ended(id);
    assert.deepEqual(harness.log(id), []);
    assert.deepEqual(harness.faults, []);
  });

  test('no more workers run at once than allowed, and the oldest event comes first', async (t) => {
    const harness = await WorkerHarness.make(t);
    const waiting = script('console.log("up"); setInterval(() => {}, 1000)');
    const ids = ['d', 'c', 'b', 'a'].map((id) => harness.add(id, waiting));
    const workers = harness.start(2);
    await Promise.all([harness.printed('d'), harness.printed('c')]);
    assert.deepEqual(
      ids.map((id) => harness.phaseOf(id)),
      ['RUNNING', 'RUNNING', 'PENDING', 'PENDING'],
    );
    harness.events.cancel('d');
    workers.cancel('d');
    await harness.printed('b');
    assert.deepEqual(
      ids.map((id) => harness.phaseOf(id)),
      ['ABORTED', 'RUNNING', 'RUNNING', 'PENDING'],
    );
  });

  test('an event that arrives later is run when the workers are woken', async (t) => {
    const harness = await WorkerHarness.make(t);
    const workers = harness.start();
    harness.add('late', script('console.log("ran")'));
    workers.wake();
    assert.equal(await harness.ended('late'), 'SUCCEEDED');
  });

  test('closing ends the workers, whose events fail, and starts no other', async (t) => {
    const harness = await WorkerHarness.make(t);
    const lifeline = await aLifeline(t);
    harness.add('running', script(`${lifeline.connect}; setInterval(() => {}, 1000)`));
    harness.add('looping', script('for (;;);'));
    harness.add('waiting', script('console.log("ran")'));
    const first = lifeline.next();
    harness.start(2);
    await first;
    await harness.close();
    assert.equal(harness.phaseOf('running'), 'FAILED');
    assert.equal(harness.phaseOf('looping'), 'FAILED');
    assert.equal(harness.phaseOf('waiting'), 'PENDING');
    assert.deepEqual(harness.log('running'), [
      'The worker was ended: the program that ran it stopped. `brig event retry` runs it again.',
    ]);
  });

  test('a worker that ended with its program is not run again, and a pending event is run', async (t) => {
    const harness = await WorkerHarness.make(t);
    harness.add('lost', script('console.log("again")'));
    harness.add('waiting', script('console.log("ran")'));
    harness.events.start('lost');
    harness.start();
    assert.equal(await harness.ended('lost'), 'FAILED');
    assert.deepEqual(harness.log('lost'), [
      'Ended with the program that ran it, and not run again: `brig event retry` does that.',
    ]);
    assert.equal(await harness.ended('waiting'), 'SUCCEEDED');
    assert.deepEqual(harness.log('waiting'), ['ran']);
  });
});

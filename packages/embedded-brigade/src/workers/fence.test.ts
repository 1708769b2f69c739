import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, suite, type TestContext, test } from 'node:test';
import { type Ended, WorkerHarness } from '../../test/worker-harness.ts';

/** What a worker must leave alone: a process, files and a Unix socket, all of its own user. */
interface Victim {
  readonly pid: number;
  readonly folder: string;
  readonly file: string;
  readonly socket: string;
}

const CONTENT = 'what others must not read or change';

async function aVictim(t: Pick<TestContext, 'after'>, data: string): Promise<Victim> {
  const folder = join(data, 'victim');
  await mkdir(folder);
  const victim = spawn('/bin/sleep', ['60'], { stdio: 'ignore', detached: true });
  const server = createServer((socket) => socket.end(CONTENT));
  const socket = join(folder, 'socket');
  server.listen(socket);
  await Promise.all([once(victim, 'spawn'), once(server, 'listening')]);
  t.after(() => {
    victim.kill('SIGKILL');
    server.close();
  });
  const file = join(folder, 'file');
  await writeFile(file, CONTENT);
  return { pid: victim.pid ?? 0, folder, file, socket };
}

/** Tries each escape: an expression, or statements that end in a `return`, which may use `victim` and resolve later. */
function attempting(escapes: readonly string[], victim: Victim): string {
  const bodies = escapes.map((text) => (/\breturn\b/.test(text) ? text : `return (${text})`));
  return `
    const victim = ${JSON.stringify(victim)};
    const escapes = [${bodies.map((body) => `async (require) => { ${body} }`).join(',\n')}];
    (async () => {
      for (const escape of escapes) {
        try { console.log("open", String(await escape(require)).slice(0, 100)); }
        catch (error) { console.log("closed", String(error.code ?? error.message).split("\\n")[0]); }
      }
      process.exit(0);
    })();`;
}

async function run(harness: WorkerHarness, text: string): Promise<Ended> {
  const ended = await harness.run({ defaultConfigFiles: { 'brigade.js': text } });
  assert.deepEqual(harness.faults, []);
  return ended;
}

function connecting(how: string): string {
  return `return new Promise((resolve, reject) => {
    const socket = ${how};
    socket.on("data", resolve);
    socket.on("connect", () => socket.resume());
    socket.on("error", reject);
  })`;
}

const ESCAPES: readonly string[] = [
  // Signals
  'process.kill(victim.pid, 0)',
  'process.kill(-victim.pid, 0)',
  'process.kill(process.ppid, "SIGUSR1")',
  'process.kill(process.ppid, 10)',
  'process.kill(0, 0)',
  'process.kill(-1, 0)',
  'process.kill(-process.pid, 0)',
  'process.kill(String(victim.pid), 0)',
  'process.pid = victim.pid; return process.kill(victim.pid, 0)',
  'Object.defineProperty(process, "pid", { value: victim.pid }); return process.kill(victim.pid, 0)',
  'Object.defineProperty(process, "pid", { get: () => process.ppid }); return process.kill(process.ppid, "SIGUSR1")',
  'let n = 0; return process.kill({ valueOf: () => (n++ ? victim.pid : process.pid), toString: () => "1" }, 0)',
  'const { kill } = Object.create(process, { pid: { value: victim.pid } }); return kill(victim.pid, 0)',
  'process._kill = () => 0; return process.kill(victim.pid, 0)',
  'delete process._kill; return process.kill(victim.pid, 0)',
  'if (process._kill(victim.pid, 0) !== 0) throw new Error("no"); return "sent"',
  `const { call } = Function.prototype;
   Function.prototype.call = () => 0;
   try { return process.kill(victim.pid, 0); } finally { Function.prototype.call = call; }`,
  'process._debugProcess(process.ppid)',
  'process._debugEnd(process.ppid)',
  'if (new (require("child_process").ChildProcess)()._handle.kill(0) !== 0) throw new Error("no"); return "sent"',
  `const { ChildProcess, spawn } = require("child_process");
   const { init } = require("events").EventEmitter;
   let child;
   require("events").EventEmitter.init = function (...all) { child ??= this; return init.apply(this, all); };
   try { spawn("/bin/true"); } catch {} finally { require("events").EventEmitter.init = init; }
   child._handle.pid = victim.pid;
   if (child._handle.kill(0) !== 0) throw new Error("no");
   return "sent"`,
  'require("os").setPriority(process.ppid, 19)',
  '(await import("node:os")).setPriority(process.ppid, 19)',
  '(await import("node:process")).kill(victim.pid, 0)',
  '(await import("node:process"))._debugProcess(process.ppid)',
  // Processes, threads, native code
  'require("node:child_process").execSync("id")',
  'require("node:child_process").spawnSync("/bin/id").stdout ?? require("node:child_process").spawn("/bin/id")',
  'new (require("child_process").ChildProcess)().spawn({ file: "/bin/true", args: ["true"], envPairs: [] })',
  'require("node:cluster").fork()',
  'process.execve("/bin/true", ["true"])',
  'new (require("node:worker_threads").Worker)("1", { eval: true })',
  'require("node:module").register("data:text/javascript,")',
  'new (require("node:wasi").WASI)({ version: "preview1" })',
  'process.dlopen({ exports: {} }, victim.file)',
  'require("node:module")._extensions[".node"]({ exports: {} }, victim.file)',
  'require("node:crypto").setEngine(victim.file)',
  'require("node:tls").createSecureContext({ clientCertEngine: victim.file })',
  // Node's inside
  'process.binding("process_methods")',
  'process.binding("pipe_wrap")',
  'process.binding("fs")',
  'process._linkedBinding("os")',
  'require("internal/bootstrap/realm")',
  'new (require("node:inspector").Session)().connect()',
  'new (require("node:inspector/promises").Session)().connect()',
  'require("node:inspector").open(0)',
  'require("node:v8").setFlagsFromString("--allow-natives-syntax")',
  'process.getBuiltinModule("v8").setFlagsFromString("--allow-natives-syntax")',
  '(await import("node:v8")).setFlagsFromString("--allow-natives-syntax")',
  // Reading
  'require("fs").readFileSync(victim.file)',
  'require("fs").readFileSync(Buffer.from(victim.file))',
  'require("fs").readFileSync(require("url").pathToFileURL(victim.file))',
  'require("fs").readFileSync(__dirname + "/../../../victim/file")',
  'require("fs").createReadStream(victim.file).toArray()',
  'require("fs").promises.readFile(victim.file)',
  'require("fs").openAsBlob(victim.file).then((blob) => blob.text())',
  'require("fs").readdirSync(victim.folder)',
  'require("fs").watch(victim.folder).close()',
  'require("fs").cpSync(victim.file, "copy")',
  'require(victim.file)',
  'require("node:module")._load(victim.file)',
  'require("node:module").createRequire(victim.file)("./file")',
  'import(victim.file)',
  'process.loadEnvFile(victim.file)',
  'String(process.chdir(victim.folder))',
  'require("fs").readFileSync("/proc/" + process.ppid + "/environ")',
  'require("fs").readFileSync("/proc/" + process.ppid + "/cmdline")',
  'require("fs").openSync("/proc/" + process.ppid + "/mem", "r+")',
  'require("fs").readdirSync("/proc/" + process.ppid + "/fd")',
  'require("fs").readdirSync("/proc/self/fd")',
  'require("fs").readFileSync("/proc/self/environ")',
  'require("fs").readFileSync("/proc/self/root" + victim.file)',
  'require("fs").readFileSync("/proc/self/cwd/../../../victim/file")',
  'new (require("node:sqlite").DatabaseSync)(victim.file)',
  // Writing
  'require("fs").writeFileSync(victim.file, "")',
  'require("fs").truncateSync(victim.file)',
  'require("fs").symlinkSync(victim.folder, "link")',
  'require("fs").linkSync(victim.file, "link")',
  'require("fs").chmodSync(victim.file, 0o777)',
  'require("fs").rmSync(victim.file)',
  'process.report.writeReport(victim.file)',
  '(await import("node:process")).report.reportOnFatalError = true',
  'process.env.NODE_REDIRECT_WARNINGS = victim.file; process.emitWarning("x"); return require("fs").appendFileSync(victim.file, "x")',
  'process.report.reportOnFatalError = true',
  'require("node:v8").writeHeapSnapshot(victim.folder + "/heap")',
  'require("node:trace_events").createTracing({ categories: ["node"] }).enable() ?? process.chdir(victim.folder)',
  // Unix sockets
  connecting('require("net").connect(victim.socket)'),
  connecting('require("http").get({ socketPath: victim.socket })'),
  connecting('(() => { delete process.stdout._handle.connect; return require("net").connect(victim.socket); })()'),
  `const { Pipe } = { Pipe: process.stdout._handle.constructor };
   if (new Pipe(0).connect({}, victim.socket) !== 0) throw new Error("no");
   return "connected"`,
  `return new Promise((resolve, reject) =>
     require("net").createServer().on("error", reject).listen(victim.folder + "/mine", resolve))`,
  // Users
  '(await import("node:process")).setuid(65534)',
  'process.setuid(65534)',
  'process.setgid(65534)',
  'process.initgroups("daemon", 65534)',
];

suite('the fence around a worker', () => {
  let harness: WorkerHarness;
  let victim: Victim;
  let ended: Ended;
  /** One for each escape. */
  let answers: readonly string[] = [];
  const afters: (() => unknown)[] = [];
  const received: string[] = [];
  const onSignal = (signal: string) => received.push(signal);

  before(async () => {
    const context = { after: (end: () => unknown) => afters.push(end) };
    process.on('SIGUSR1', onSignal);
    harness = await WorkerHarness.make(context);
    victim = await aVictim(context, harness.data);
    ended = await run(harness, attempting(ESCAPES, victim));
    answers = ended.log.filter((line) => /^(?:open|closed) /.test(line));
  });

  after(async () => {
    process.off('SIGUSR1', onSignal);
    for (const end of afters.toReversed()) await end();
  });

  test('tries every escape', () => {
    assert.equal(answers.length, ESCAPES.length, ended.log.join('\n'));
    assert.equal(ended.phase, 'SUCCEEDED');
  });

  for (const [index, text] of ESCAPES.entries()) {
    test(`refuses ${text.replace(/\s+/g, ' ')}`, () => {
      assert.match(answers[index] ?? 'not tried', /^closed /);
    });
  }

  test('keeps signals from its parent and from other processes', () => {
    process.kill(victim.pid, 0);
    assert.deepEqual(received, []);
  });

  test('keeps files as they are', async () => {
    assert.equal(await readFile(victim.file, 'utf8'), CONTENT);
    assert.deepEqual((await readdir(victim.folder)).toSorted(), ['file', 'socket']);
  });
});

test('a worker that dies overwrites no file with a report of that, or with the traces of V8', async (t) => {
  const harness = await WorkerHarness.make(t);
  const victim = await aVictim(t, harness.data);
  const other = join(victim.folder, 'other');
  await writeFile(other, CONTENT);
  const { phase } = await run(
    harness,
    `try { Object.assign(process.report, {
       directory: ${JSON.stringify(victim.folder)}, filename: "file", reportOnFatalError: true }); } catch {}
     try {
       for (const flag of ["redirect-code-traces", "redirect-code-traces-to=${other}", "trace-opt"])
         require("v8").setFlagsFromString("--" + flag);
     } catch {}
     const half = (n) => n / 2;
     for (let n = 0; n < 3e6; n++) half(n);
     const all = [];
     for (;;) all.push(new Array(1e4).fill(Math.random()));`,
  );
  assert.equal(phase, 'FAILED');
  for (const path of [victim.file, other]) assert.equal(await readFile(path, 'utf8'), CONTENT, path);
});

test('a worker inherits no file, socket or device of its parent', async (t) => {
  const harness = await WorkerHarness.make(t);
  const { log } = await run(
    harness,
    `const { fstatSync } = require("fs");
     for (let fd = 0; fd < 4096; fd++) {
       try { if (fstatSync(fd).isFile() || (fstatSync(fd).isSocket() && ![1, 2, 4].includes(fd))) console.log("open", fd); }
       catch {}
     }
     console.log("done");`,
  );
  assert.deepEqual(log, ['done']);
});

test('a worker can signal itself, and print and read what it may', async (t) => {
  const harness = await WorkerHarness.make(t);
  const { phase, log } = await run(
    harness,
    `process.once("SIGUSR2", () => { console.log(require("fs").readdirSync(__dirname).join()); process.exit(0); });
     setTimeout(() => {}, 5000);
     process.kill(process.pid, "SIGUSR2");`,
  );
  assert.deepEqual(log, ['brigade.js']);
  assert.equal(phase, 'SUCCEEDED');
});

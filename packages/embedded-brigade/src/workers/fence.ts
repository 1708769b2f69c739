import { ChildProcess } from 'node:child_process';
import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';
import v8 from 'node:v8';

// Closes what Node's permission model leaves open. It is loaded into each worker's process before all other code, and keeps the
// originals of what it replaces to itself. Where it does not find what it has to replace, it throws, and the script does not run.

/** libuv's code for "not permitted", which Node's own functions turn into an error. */
const EPERM = -1;

/** Members of `process` that no script of a worker needs. */
const FORBIDDEN = [
  // Opens another process to a debugger: code that runs there has all that the process has.
  '_debugProcess',
  '_debugEnd',
  // Its report of a fatal error overwrites any file, in spite of the permission model.
  'report',
  // A worker of root could become any user.
  ...['setuid', 'setgid', 'seteuid', 'setegid', 'setgroups', 'initgroups'],
];

function replace(target: object, name: string, value: unknown): void {
  if (!(name in target)) throw new Error(`Node ${process.version} has no ${name}: workers cannot be fenced`);
  Object.defineProperty(target, name, { value, enumerable: true, writable: false, configurable: false });
}

function forbid(target: object, name: string): void {
  replace(target, name, () => {
    throw Object.assign(new Error(`a worker cannot call ${name}`), { code: 'ERR_ACCESS_DENIED' });
  });
}

/** The class of the native object that is behind one of Node's objects. */
function nativeClass(owner: object): object {
  const native: unknown = Reflect.get(owner, '_handle');
  if (typeof native !== 'object' || native === null) throw new Error('no native object: workers cannot be fenced');
  return Object.getPrototypeOf(native);
}

/** Signals reach the worker itself and no other process, whatever its script makes of `process.pid`. */
function fenceSignals(): void {
  const { pid } = process;
  const send: unknown = Reflect.get(process, '_kill');
  if (typeof send !== 'function') throw new Error('there is no process._kill: workers cannot be fenced');
  replace(process, '_kill', (target: unknown, signal: unknown) => (target === pid ? send(pid, signal) : EPERM));
  // Without a process it would signal whatever number is in its memory.
  replace(nativeClass(new ChildProcess()), 'kill', () => EPERM);
}

/** Docker's socket, for one, gives the rights of root. */
function fenceUnixSockets(): void {
  const pipe = nativeClass(process.stdout);
  for (const name of ['connect', 'bind', 'listen']) replace(pipe, name, () => EPERM);
}

fenceSignals();
fenceUnixSockets();
for (const name of FORBIDDEN) {
  if (!Reflect.deleteProperty(process, name)) throw new Error(`process.${name} stays: workers cannot be fenced`);
}
// V8 can be made to write its traces into any file.
forbid(v8, 'setFlagsFromString');
// A worker could slow its parent down.
forbid(os, 'setPriority');
syncBuiltinESMExports();

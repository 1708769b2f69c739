import { once } from 'node:events';
import type { GatewayProcess } from '../test/support/serve-process.ts';

/** Lets a process answer `heapOf`. */
export const INSPECTED = { NODE_OPTIONS: '--inspect=127.0.0.1:0' };

/** Asks an inspected process how much its main thread has in use, MB, without what a collection frees. */
export async function heapOf(inspected: GatewayProcess): Promise<() => Promise<number>> {
  const line = await inspected.error(/^Debugger listening on ws:/);
  const socket = new WebSocket(line.slice(line.indexOf('ws:')));
  await once(socket, 'open');
  let calls = 0;
  const call = async (method: string): Promise<{ readonly usedSize: number }> => {
    calls += 1;
    const answered = once(socket, 'message');
    socket.send(JSON.stringify({ id: calls, method }));
    const [{ data }] = await answered;
    return JSON.parse(data).result;
  };
  return async () => {
    await call('HeapProfiler.collectGarbage');
    return (await call('Runtime.getHeapUsage')).usedSize / 1e6;
  };
}

import { Access } from '../../src/admin/access.ts';
import { startAdminServer } from '../../src/admin/admin-server.ts';
import { anAdminToken, type OperatorRig } from './an-operator.ts';

export interface ConsoleServer {
  readonly address: string;
  /** The path that logs in once. */
  loginPath(): string;
  readonly faults: readonly unknown[];
  close(): Promise<void>;
}

/** Serves the console of an operator on any free port; the token of `alice` is `alices-token`. */
export async function serveConsole({ clock, operator }: OperatorRig): Promise<ConsoleServer> {
  const tokens = [anAdminToken('alice', 'alices-token')];
  const access = new Access({ tokens: () => tokens, allowedHosts: ['127.0.0.1'], clock });
  const faults: unknown[] = [];
  const server = await startAdminServer({
    host: '127.0.0.1',
    port: 0,
    access,
    operator,
    clock,
    healthy: () => true,
    unreadiness: async () => undefined,
    metrics: async () => ({ contentType: 'text/plain', text: '' }),
    onFault: (error) => faults.push(error),
  });
  return {
    address: `http://127.0.0.1:${server.port}`,
    loginPath: () => `/login?code=${access.createLoginCode()}`,
    faults,
    close: async () => {
      await operator.close();
      await server.close();
    },
  };
}

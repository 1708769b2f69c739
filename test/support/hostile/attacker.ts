import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** New connections a second of one attacker, at most. */
const OPENINGS_PER_SECOND = 2_000;
const TICK_MS = 10;

/** The address of every attacker that uses one address only. The well-behaved caller has another. */
const OWN_ADDRESS = '127.0.0.3';

export interface AttackReport {
  readonly bytesSent: number;
  readonly connections: number;
  /** Answers to `loop`, by status. */
  readonly answers: Readonly<Record<string, number>>;
  /** Events that the receipts of `loop` call accepted. */
  readonly accepted: number;
}

/** What an attack may use of the connections. */
interface Connections {
  /** Open at the same time. */
  readonly count: number;
  readonly tls?: boolean;
  /** The local address of the connection of that number. */
  readonly from?: (number: number) => string;
}

/** The means of an attack: connections that are replaced when they close, until the attack ends. */
export class Attacker {
  readonly #port: number;
  readonly #sockets = new Set<Socket>();
  readonly #waiting: (() => void)[] = [];
  readonly #opening: NodeJS.Timeout;
  readonly #answers: Record<string, number> = {};
  #connections = 0;
  #bytesSent = 0;
  #accepted = 0;
  #hasEnded = false;

  constructor(port: number) {
    this.#port = port;
    this.#opening = setInterval(() => {
      for (const open of this.#waiting.splice(0, (OPENINGS_PER_SECOND * TICK_MS) / 1000)) open();
    }, TICK_MS);
  }

  /** Keeps connections open: `begin` gets each as it connects. What they receive is dropped, unless `begin` pauses them. */
  keepOpen(connections: Connections, begin: (socket: Socket) => void): void {
    for (let index = 0; index < connections.count; index += 1) this.#waiting.push(() => this.#open(connections, begin));
  }

  /** Sends one request after the other on each connection. */
  loop(connections: Connections, next: () => string | Buffer): void {
    this.keepOpen(connections, (socket) => {
      const chunks: Buffer[] = [];
      socket.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        const answer = answerIn(chunks);
        if (answer === undefined) return;
        chunks.length = 0;
        this.#count(answer);
        if (!this.#hasEnded) socket.write(next());
      });
      socket.write(next());
    });
  }

  /** Sends the bytes again and again, as fast as the kernel takes them. */
  flood(connections: Connections, bytes: Buffer, { isRead = true, first = '' } = {}): void {
    this.keepOpen(connections, (socket) => {
      if (!isRead) socket.pause();
      socket.write(first);
      const write = (): void => {
        let goesOn = true;
        while (goesOn && !socket.destroyed) goesOn = socket.write(bytes);
      };
      socket.on('drain', write);
      write();
    });
  }

  /** Closes everything. */
  end(): AttackReport {
    this.#hasEnded = true;
    clearInterval(this.#opening);
    for (const socket of this.#sockets) {
      this.#bytesSent += sentBy(socket);
      socket.destroy();
    }
    const [bytesSent, connections, answers, accepted] = [
      this.#bytesSent,
      this.#connections,
      this.#answers,
      this.#accepted,
    ];
    return { bytesSent, connections, answers, accepted };
  }

  #open(connections: Connections, begin: (socket: Socket) => void): void {
    const { tls = false, from = () => OWN_ADDRESS } = connections;
    this.#connections += 1;
    const address = { host: '127.0.0.1', port: this.#port, localAddress: from(this.#connections) };
    const socket = tls ? connectTls({ ...address, rejectUnauthorized: false }) : connect(address);
    this.#sockets.add(socket);
    // A reset closes the connection, which is expected.
    socket.on('error', () => {});
    socket.on('close', () => {
      if (!this.#sockets.delete(socket) || this.#hasEnded) return;
      this.#bytesSent += sentBy(socket);
      this.#waiting.push(() => this.#open(connections, begin));
    });
    socket.once(tls ? 'secureConnect' : 'connect', () => {
      socket.resume();
      begin(socket);
    });
  }

  #count({ status, accepted }: Answer): void {
    this.#answers[status] = (this.#answers[status] ?? 0) + 1;
    this.#accepted += accepted;
  }
}

function sentBy(socket: Socket): number {
  return socket.bytesWritten - socket.writableLength;
}

interface Answer {
  readonly status: string;
  readonly accepted: number;
}

/** Undefined until the answer is complete. */
function answerIn(chunks: readonly Buffer[]): Answer | undefined {
  const [first = Buffer.alloc(0)] = chunks;
  const head = first.toString('latin1', 0, 1024);
  const end = head.indexOf('\r\n\r\n');
  const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
  const received = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  if (end < 0 || received < end + 4 + length) return undefined;
  const accepted = Buffer.concat(chunks).toString('latin1').split('"result":"accepted"').length - 1;
  const status = head.slice(9, 12);
  const isLater = status === '429' || status === '503';
  return { status: isLater && !/\r\nretry-after: /i.test(head) ? `${status} without Retry-After` : status, accepted };
}

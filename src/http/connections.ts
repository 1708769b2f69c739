import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { networkOf, type TrustedProxies } from './client-address.ts';
import type { RequestRejection } from './ingest-observer.ts';
import type { Limits } from './limits.ts';

/** A request that waits for its answer. */
export interface UnansweredRequest {
  readonly response: ServerResponse;
  /** Is called once: the answer was sent, or the connection is gone. */
  ended(): void;
}

/**
 * Which connections make room for a new one. `anonymous`: no request on it was authenticated. `idle`: a caller's or a trusted
 * proxy's, without an authenticated webhook in flight. `busy`: with one; it never makes room.
 */
type Rank = 'anonymous' | 'idle' | 'busy';

/** A connection of a client, from its first packet on: also during its TLS handshake. */
export class Connection {
  readonly tcp: Socket;
  /** The TLS socket, once there is one. */
  socket: Socket;
  readonly endpoint: string;
  /** Undefined for a trusted proxy. */
  readonly network: string | undefined;
  /** In the order of the requests. node:http sends the first answer and holds back those of pipelined requests behind it. */
  readonly unanswered: UnansweredRequest[] = [];
  /** Its next answer closes it, and further requests on it are dropped. */
  isClosing = false;
  dropped = 0;
  rank: Rank;
  readonly #rerank: (connection: Connection) => void;
  #isAuthenticated = false;
  #webhooks = 0;

  constructor(tcp: Socket, network: string | undefined, rerank: (connection: Connection) => void) {
    this.tcp = tcp;
    this.socket = tcp;
    this.endpoint = endpointOf(tcp);
    this.network = network;
    this.#rerank = rerank;
    this.rank = this.currentRank;
  }

  get isTrustedProxy(): boolean {
    return this.network === undefined;
  }

  get currentRank(): Rank {
    if (this.#webhooks > 0) return 'busy';
    return this.#isAuthenticated || this.isTrustedProxy ? 'idle' : 'anonymous';
  }

  /** A request on it was authenticated. */
  authenticated(): void {
    this.#isAuthenticated = true;
    this.#rerank(this);
  }

  /** An authenticated webhook on it is in flight. */
  webhookBegan(): void {
    this.#webhooks += 1;
    this.#rerank(this);
  }

  webhookEnded(): void {
    this.#webhooks -= 1;
    this.#rerank(this);
  }
}

interface ConnectionsOptions {
  readonly server: Server;
  readonly limits: Limits;
  readonly proxies: TrustedProxies;
  readonly onRejected: (rejection: RequestRejection, remoteAddress: string | undefined) => void;
}

/**
 * The connections of one server. At the limit, a new connection takes the place of another one, first of an address that exceeds
 * its share. Anonymous connections make room in the order in which they arrived, so that each has time to authenticate. Idle ones
 * keep at most half of all places from them.
 */
export class Connections {
  readonly #options: ConnectionsOptions;
  /** All of them, in the order in which they got their rank. */
  readonly #byRank: Readonly<Record<Rank, Set<Connection>>> = {
    anonymous: new Set(),
    idle: new Set(),
    busy: new Set(),
  };
  readonly #byNetwork = new Map<string, Set<Connection>>();
  readonly #beyondShare = new Set<string>();
  readonly #bySocket = new WeakMap<Duplex, Connection>();
  /** During the TLS handshake: node:tls does not say to which TCP socket a TLS socket belongs. */
  readonly #byEndpoint = new Map<string, Connection>();

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    options.server.on('connection', (socket) => this.#add(socket));
    options.server.on('secureConnection', (socket: Socket) => this.#secure(socket));
  }

  of(socket: Duplex): Connection | undefined {
    return this.#bySocket.get(socket);
  }

  /**
   * The connection of a request that node:http hands over. Undefined when the request must be dropped, because its connection is
   * closed, closing or at a limit: node:http hands over every request that it has read, even after the connection was destroyed.
   */
  admit(response: ServerResponse): Connection | undefined {
    const { socket } = response.req;
    const connection = this.#bySocket.get(socket);
    if (connection === undefined || socket.destroyed) return undefined;
    const { maxUnansweredRequests, maxUnreadBytes } = this.#options.limits;
    const waiting = connection.unanswered.length + connection.dropped;
    if (waiting >= maxUnansweredRequests) return this.#reject(connection, 'too-many-unanswered');
    if (connection.isClosing) {
      connection.dropped += 1;
      return undefined;
    }
    if (socket.writableLength > maxUnreadBytes) return this.#reject(connection, 'unread-answers');
    return connection;
  }

  /** Call before anything is sent: the connection waits for this answer. */
  addUnanswered(connection: Connection, request: UnansweredRequest): void {
    connection.unanswered.push(request);
    request.response.once('finish', () => {
      const at = connection.unanswered.indexOf(request);
      if (at === -1) return;
      connection.unanswered.splice(at, 1);
      request.ended();
    });
  }

  /** Closes those that have sent nothing yet: node:http does not count them as idle when it closes. */
  closeSilent(): void {
    this.#destroy(({ tcp }) => tcp.bytesRead === 0);
  }

  closeAll(): void {
    this.#destroy(() => true);
  }

  #destroy(isChosen: (connection: Connection) => boolean): void {
    const { anonymous, idle, busy } = this.#byRank;
    for (const connection of [...anonymous, ...idle, ...busy]) if (isChosen(connection)) connection.socket.destroy();
  }

  #rerank(connection: Connection): void {
    const { rank, currentRank } = connection;
    if (rank === currentRank || !this.#byRank[rank].delete(connection)) return;
    this.#byRank[currentRank].add(connection);
    connection.rank = currentRank;
  }

  #add(tcp: Socket): void {
    const { proxies, onRejected } = this.#options;
    const { remoteAddress } = tcp;
    const network = proxies.trusts(remoteAddress) ? undefined : networkOf(remoteAddress);
    if (!this.#makeRoom(network)) {
      tcp.destroy();
      onRejected('too-many-connections', remoteAddress);
      return;
    }
    const connection = new Connection(tcp, network, (each) => this.#rerank(each));
    this.#byRank[connection.rank].add(connection);
    if (network !== undefined) this.#join(connection, network);
    this.#bySocket.set(tcp, connection);
    this.#byEndpoint.set(connection.endpoint, connection);
    tcp.once('close', () => this.#remove(connection));
  }

  #secure(socket: Socket): void {
    const connection = this.#byEndpoint.get(endpointOf(socket));
    if (connection === undefined) {
      socket.destroy();
      return;
    }
    connection.socket = socket;
    this.#bySocket.set(socket, connection);
  }

  /** Returns whether there is room for a connection from there. */
  #makeRoom(network: string | undefined): boolean {
    const { maxConnections } = this.#options.limits;
    const { anonymous, idle, busy } = this.#byRank;
    if (anonymous.size + idle.size + busy.size < maxConnections) return true;
    const [oldestAnonymous] = anonymous;
    const [oldestIdle] = idle;
    const oldest = idle.size > maxConnections / 2 ? oldestIdle : (oldestAnonymous ?? oldestIdle);
    const isBeyondShare = network !== undefined && this.#beyondShare.has(network);
    return this.#evict(this.#oldestBeyondShare() ?? (isBeyondShare ? undefined : oldest));
  }

  /** Few addresses can be beyond their share at a time, and few connections of them can be busy. */
  #oldestBeyondShare(): Connection | undefined {
    for (const rank of ['anonymous', 'idle'] as const) {
      for (const network of this.#beyondShare) {
        for (const connection of this.#byNetwork.get(network) ?? []) if (connection.rank === rank) return connection;
      }
    }
    return undefined;
  }

  #evict(connection: Connection | undefined): boolean {
    if (connection === undefined) return false;
    this.#reject(connection, 'too-many-connections');
    return true;
  }

  #reject(connection: Connection, rejection: RequestRejection): undefined {
    const { remoteAddress } = connection.tcp;
    this.#remove(connection);
    connection.socket.destroy();
    this.#options.onRejected(rejection, remoteAddress);
  }

  #remove(connection: Connection): void {
    if (!this.#byRank[connection.rank].delete(connection)) return;
    if (this.#byEndpoint.get(connection.endpoint) === connection) this.#byEndpoint.delete(connection.endpoint);
    if (connection.network !== undefined) this.#leave(connection, connection.network);
    this.#bySocket.delete(connection.socket);
    for (const request of connection.unanswered.splice(0)) request.ended();
  }

  #join(connection: Connection, network: string): void {
    const neighbours = this.#byNetwork.get(network) ?? new Set();
    this.#byNetwork.set(network, neighbours.add(connection));
    if (neighbours.size > this.#options.limits.connectionsPerAddress) this.#beyondShare.add(network);
  }

  #leave(connection: Connection, network: string): void {
    const neighbours = this.#byNetwork.get(network);
    if (neighbours === undefined) return;
    neighbours.delete(connection);
    if (neighbours.size <= this.#options.limits.connectionsPerAddress) this.#beyondShare.delete(network);
    if (neighbours.size === 0) this.#byNetwork.delete(network);
  }
}

function endpointOf({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`;
}

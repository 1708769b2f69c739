import { IncomingMessage } from 'node:http';

/**
 * Stops node:http from reading on once the connection is destroyed.
 *
 * node:http reads up to 64 KiB at a time and hands over every request in it, 1,000 small ones, also when an earlier one made the
 * gateway destroy the connection. That costs 10 ms of the event loop. It stops at a request that is an upgrade: so, after the
 * connection was destroyed, each is.
 */
export class HaltingRequest extends IncomingMessage {
  declare wantsUpgrade: boolean | null;

  /** Set by node:http when the client offers an upgrade, and when the server declines it. */
  set upgrade(wantsUpgrade: boolean | null) {
    this.wantsUpgrade = wantsUpgrade;
  }

  get upgrade(): boolean {
    return this.wantsUpgrade === true || this.socket.destroyed;
  }
}

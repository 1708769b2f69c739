import { BlockList, isIP } from 'node:net';
import type { Headers } from '../model/webhook.ts';
import { LIMITS } from './limits.ts';

/** Such as `10.0.0.0/8`. A single address has the prefix 32 or 128. */
export interface AddressRange {
  readonly address: string;
  readonly prefix: number;
  readonly family: 'ipv4' | 'ipv6';
}

/** The proxies whose `X-Forwarded-For` is believed. */
export class TrustedProxies {
  readonly #proxies = new BlockList();
  readonly #none: boolean;

  constructor(ranges: readonly AddressRange[]) {
    this.#none = ranges.length === 0;
    for (const { address, prefix, family } of ranges) this.#proxies.addSubnet(address, prefix, family);
  }

  /**
   * The address of the client that sent a request to the outermost trusted proxy. Undefined when the peer of the connection is not
   * a trusted proxy, or sent no usable `X-Forwarded-For`.
   *
   * Each proxy appends the address of its own peer. So the entries are read from the right, and an entry counts only while the
   * proxy that appended it is trusted. The client can write anything into the entries further left.
   */
  clientOf(peer: string | undefined, headers: Headers): string | undefined {
    if (!this.trusts(peer)) return undefined;
    const forwarded = headers['x-forwarded-for'];
    if (typeof forwarded !== 'string') return undefined;
    let client: string | undefined;
    for (const hop of forwarded.split(',').slice(-LIMITS.maxForwardedHops.value).reverse()) {
      const address = plainAddress(hop.trim());
      if (isIP(address) === 0) break;
      client = address;
      if (!this.#includes(address)) break;
    }
    return client;
  }

  /** Whether the peer of a connection is a trusted proxy. */
  trusts(peer: string | undefined): boolean {
    return !this.#none && peer !== undefined && this.#includes(plainAddress(peer));
  }

  #includes(address: string): boolean {
    return isIP(address) !== 0 && this.#proxies.check(address, familyOf(address));
  }
}

/**
 * What counts as one address: an IPv4 address, or the /64 of an IPv6 address, as `2001:db8:0:1`. A client of IPv6 usually has a
 * whole /64 for itself. Empty for an unknown address.
 */
export function networkOf(address = ''): string {
  const [plain = ''] = plainAddress(address).toLowerCase().split('%', 1);
  if (!plain.includes(':')) return plain;
  const [left = [], right = []] = plain.split('::').map((part) => (part === '' ? [] : part.split(':')));
  const zeros = Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0');
  const groups = [...left, ...zeros, ...right].slice(0, 4);
  return groups.map((group) => group.replace(/^0+(?=.)/, '')).join(':');
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4';
}

/** `10.0.0.1` for `10.0.0.1`, `10.0.0.1:4711` (Azure's Application Gateway writes this) and `[::ffff:10.0.0.1]:4711`. */
function plainAddress(text: string): string {
  const bare = /^\[([^\]]*)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text;
  return bare.replace(/^::ffff:(?=[\d.]+$)/i, '');
}

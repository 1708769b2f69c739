import { BlockList, isIP } from 'node:net';
import type { Headers } from '../model/webhook.ts';
import { MAX_FORWARDED_HOPS } from './limits.ts';

/** `10.0.0.0/8`; one address is the range of its whole length. */
export interface AddressRange {
  readonly address: string;
  readonly prefix: number;
  readonly family: 'ipv4' | 'ipv6';
}

/** The proxies whose word we take for whom they speak. */
export class TrustedProxies {
  readonly #proxies = new BlockList();
  readonly #none: boolean;

  constructor(ranges: readonly AddressRange[]) {
    this.#none = ranges.length === 0;
    for (const { address, prefix, family } of ranges) this.#proxies.addSubnet(address, prefix, family);
  }

  /**
   * Who sent a request to the outermost of the trusted proxies that it came through; undefined when its peer is none of them, or
   * told nothing.
   *
   * `X-Forwarded-For` is believed from right to left, for as long as the one who wrote an entry is trusted: what stands left of
   * that is the sender's invention.
   */
  clientOf(peer: string | undefined, headers: Headers): string | undefined {
    if (this.#none || peer === undefined || !this.#trusts(plainAddress(peer))) return undefined;
    const forwarded = headers['x-forwarded-for'];
    if (typeof forwarded !== 'string') return undefined;
    let client: string | undefined;
    for (const hop of forwarded.split(',').slice(-MAX_FORWARDED_HOPS).reverse()) {
      const address = plainAddress(hop.trim());
      if (isIP(address) === 0) break;
      client = address;
      if (!this.#trusts(address)) break;
    }
    return client;
  }

  #trusts(address: string): boolean {
    return isIP(address) !== 0 && this.#proxies.check(address, familyOf(address));
  }
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4';
}

/** `10.0.0.1` for each of `10.0.0.1`, `10.0.0.1:4711` (as Azure's Application Gateway writes), `[::ffff:10.0.0.1]:4711`. */
function plainAddress(text: string): string {
  const bare = /^\[([^\]]*)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text;
  return bare.replace(/^::ffff:(?=[\d.]+$)/i, '');
}

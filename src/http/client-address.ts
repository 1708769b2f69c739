import { BlockList, isIP } from 'node:net';
import { Fault } from '../model/fault.ts';
import type { Headers } from '../model/webhook.ts';
import { MAX_FORWARDED_HOPS } from './limits.ts';

/** A trusted proxy is configured as something that is neither an IP address nor a CIDR range. */
export class TrustedProxyFault extends Fault {
  override readonly name = 'TrustedProxyFault';
  readonly code = 'trusted_proxy_invalid';
}

/** The proxies whose word we take for whom they speak. */
export class TrustedProxies {
  readonly #proxies = new BlockList();
  readonly #none: boolean;

  /** `entries` are IP addresses and CIDR ranges; throws a TrustedProxyFault at any other. */
  constructor(entries: readonly string[]) {
    this.#none = entries.length === 0;
    for (const entry of entries) this.#add(entry);
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

  #add(entry: string): void {
    const [, address = '', prefix] = /^([^/]+)(?:\/(\d+))?$/.exec(entry) ?? [];
    const family = familyOf(address);
    try {
      if (prefix === undefined) this.#proxies.addAddress(address, family);
      else this.#proxies.addSubnet(address, Number(prefix), family);
    } catch (cause) {
      throw new TrustedProxyFault(`not an IP address or CIDR range: ${entry}`, { cause });
    }
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

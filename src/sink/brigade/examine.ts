import { type HttpClient, rejectsCredentials } from '../http-client.ts';
import type { Probe, Sink } from '../sink.ts';
import { parse, textOf } from './answers.ts';
import { SOURCE } from './event-mapping.ts';

/** What an operator wants to know of a sink. */
export interface Examination {
  readonly probe: Probe;
  readonly version?: string;
  /** By how much its clock is ahead of ours, milliseconds: to about a second. */
  readonly clockLeadMs?: number;
  /** The command that repairs what the probe found, or else what to do. */
  readonly advice?: string;
}

/** Asks a Brigade for its version, its time, and who we are to it. Creates nothing. Always resolves. */
export async function examineBrigade(
  client: HttpClient,
  sink: Pick<Sink, 'probe'>,
  signal: AbortSignal,
): Promise<Examination> {
  const ping = await client.send({ method: 'GET', path: '/v2/ping' }, signal);
  const who = await client.send({ method: 'GET', path: '/v2/whoami' }, signal);
  const found = await sink.probe(signal);
  if (who.kind !== 'answered') return { probe: found };
  const version = ping.kind === 'answered' ? textOf(parse(ping.body)?.Version) : '';
  const date = Date.parse(who.headers['date'] ?? '');
  return {
    probe: found,
    ...(version === '' ? {} : { version }),
    ...(Number.isNaN(date) ? {} : { clockLeadMs: date - Date.now() }),
    ...(found.kind === 'unready' && found.credentials ? { advice: advice(rejectsCredentials(who), who) } : {}),
  };
}

function advice(isUnknown: boolean, { status, body }: { readonly status: number; readonly body: string }): string {
  if (isUnknown && status === 403)
    return 'brig service-account unlock --id NAME, then put the new token into API_TOKEN';
  if (isUnknown) {
    return 'put the token into API_TOKEN that this prints: brig service-account create --id brigade-acr-gateway --description "The gateway"';
  }
  const { type, id } = parse(body) ?? {};
  const flag = type === 'USER' ? '--user' : '--service-account';
  return `brig role grant EVENT_CREATOR ${flag} ${textOf(id) || 'NAME'} --source ${SOURCE}`;
}

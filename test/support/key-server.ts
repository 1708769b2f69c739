import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { TestContext } from 'node:test';
import { exportJWK, type JWTPayload, SignJWT } from 'jose';
import { AnsweringServer, answering } from './answering-server.ts';

export interface SigningKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
}

export function aSigningKey(kid: string): SigningKey {
  return { kid, privateKey: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey };
}

/** A key set as Entra ID writes it: its keys have no `alg`. */
export async function keySetOf(...keys: readonly SigningKey[]): Promise<string> {
  const jwks = keys.map(async ({ kid, privateKey }) => {
    return { ...(await exportJWK(createPublicKey(privateKey))), kid, use: 'sig' };
  });
  return JSON.stringify({ keys: await Promise.all(jwks) });
}

/** The server from which the keys of an Entra ID tenant are fetched. */
export async function aKeyServer(t: TestContext, ...keys: readonly SigningKey[]): Promise<AnsweringServer> {
  return AnsweringServer.start(t, answering(200, await keySetOf(...keys)));
}

export function signed(claims: JWTPayload, { kid, privateKey }: SigningKey): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid }).sign(privateKey);
}

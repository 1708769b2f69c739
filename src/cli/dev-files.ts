import { hash, randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { EmbeddedBrigade } from 'embedded-brigade';
import { Fault } from '../model/fault.ts';
import { SOURCE } from '../sink/brigade/event-mapping.ts';

/** The service account with which the gateway authenticates to the embedded Brigade. */
const SERVICE_ACCOUNT = 'brigade-acr-gateway';

/** Other users of the machine could read or replace the secrets. */
export class SecretsFault extends Fault {
  override readonly name = 'SecretsFault';
  readonly code = 'file_invalid';
}

/** Write access for the group or for all. */
const WRITABLE_BY_OTHERS = 0o022;
const ANY_ACCESS_BY_OTHERS = 0o077;

/** The files of `dev` in its data folder. Secrets are random, created on first start, and readable by their owner only. */
export interface DevFiles {
  readonly folder: string;
  readonly webhookTokenPath: string;
  /** The tokens file, which has the digest of the webhook token. */
  readonly tokensPath: string;
  readonly adminTokenPath: string;
  /** The password for `brig login --root`. */
  readonly rootPasswordPath: string;
  readonly rootPassword: string;
  readonly brigadeTokenPath: string;
  /** Absent on first start. */
  readonly brigadeToken: string | undefined;
}

/**
 * Creates the folder and the secrets that are missing. What there is becomes readable by its owner only. Rejects with a
 * `SecretsFault`.
 */
export async function prepareDevFiles(folder: string): Promise<DevFiles> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if (((await stat(folder)).mode & WRITABLE_BY_OTHERS) !== 0) {
    throw new SecretsFault(
      `other users can write to ${folder}: take that right away (chmod go-w), or set DATA_DIR to another folder`,
    );
  }
  const webhookTokenPath = join(folder, 'webhook-token');
  const tokensPath = join(folder, 'tokens.json');
  const adminTokenPath = join(folder, 'admin-token');
  const brigadeTokenPath = join(folder, 'brigade-token');
  const rootPasswordPath = join(folder, 'root-password');
  const known = await readSecret(webhookTokenPath);
  const webhookToken = known ?? (await makeSecret(webhookTokenPath));
  if ((await readSecret(adminTokenPath)) === undefined) await makeSecret(adminTokenPath);
  if (known === undefined || (await readSecret(tokensPath)) === undefined) {
    await writeSecret(tokensPath, JSON.stringify({ dev: { sha256: hash('sha256', webhookToken) } }));
  }
  const rootPassword = (await readSecret(rootPasswordPath)) || (await makeSecret(rootPasswordPath));
  const brigadeToken = await readSecret(brigadeTokenPath);
  const paths = { webhookTokenPath, tokensPath, adminTokenPath, rootPasswordPath, brigadeTokenPath };
  return { folder, ...paths, rootPassword, brigadeToken };
}

/**
 * Makes sure that the token file has a valid token of the gateway's service account, and that the account has its roles:
 * creates the account on first start or if it was deleted, and unlocks it if it was locked.
 */
export async function provideBrigadeToken(
  { brigadeToken, brigadeTokenPath }: Pick<DevFiles, 'brigadeToken' | 'brigadeTokenPath'>,
  { accounts, roles }: Pick<EmbeddedBrigade, 'accounts' | 'roles'>,
): Promise<void> {
  if (brigadeToken === undefined || accounts.identify(brigadeToken).kind !== 'known') {
    const token =
      accounts.createServiceAccount(SERVICE_ACCOUNT, 'The gateway on this machine') ??
      accounts.renewToken(SERVICE_ACCOUNT);
    if (token !== undefined) await writeSecret(brigadeTokenPath, token);
  }
  roles.grant({ role: 'EVENT_CREATOR', serviceAccount: SERVICE_ACCOUNT, scope: SOURCE });
  // So that the gateway can say which subscriptions nearly match an event.
  roles.grant({ role: 'READER', serviceAccount: SERVICE_ACCOUNT, scope: '' });
}

/** Writes a file that only its owner can read, even if there was another. */
export async function writeSecret(path: string, secret: string): Promise<void> {
  await using file = await open(path, 'w', 0o600);
  await keepSecret(path, file);
  await file.writeFile(`${secret}\n`);
}

async function makeSecret(path: string): Promise<string> {
  const secret = randomBytes(24).toString('base64url');
  await writeSecret(path, secret);
  return secret;
}

/** Undefined if there is no such file. Throws if it cannot be read. */
async function readSecret(path: string): Promise<string | undefined> {
  try {
    await using file = await open(path);
    const secret = await file.readFile('utf8');
    await keepSecret(path, file);
    return secret.trim();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

async function keepSecret(path: string, file: FileHandle): Promise<void> {
  if (((await file.stat()).mode & ANY_ACCESS_BY_OTHERS) === 0) return;
  await file.chmod(0o600).catch((cause: unknown) => {
    throw new SecretsFault(`other users can read ${path}, and that right cannot be taken away`, { cause });
  });
}

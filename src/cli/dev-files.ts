import { hash, randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What `dev` keeps in its data folder. Secrets are random, made on first start, in files that only their owner can read. */
export interface DevFiles {
  readonly folder: string;
  readonly webhookTokenPath: string;
  /** Knows the webhook token by its digest. */
  readonly tokensPath: string;
  readonly adminTokenPath: string;
  /** With which `brig login --root` opens the embedded Brigade. */
  readonly rootPasswordPath: string;
  readonly rootPassword: string;
  readonly brigadeTokenPath: string;
  /** Absent until the embedded Brigade has given one out. */
  readonly brigadeToken: string | undefined;
}

/** Makes folder and secrets where there are none. */
export async function prepareDevFiles(folder: string): Promise<DevFiles> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
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

export async function writeSecret(path: string, secret: string): Promise<void> {
  await writeFile(path, `${secret}\n`, { mode: 0o600 });
}

async function makeSecret(path: string): Promise<string> {
  const secret = randomBytes(24).toString('base64url');
  await writeSecret(path, secret);
  return secret;
}

/** Undefined when there is no such file; a fault when it cannot be read. */
async function readSecret(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

import { type Callers, callersOf } from '../auth/callers.ts';
import { formatIssue } from '../config/schema.ts';
import type { JudgingSettings } from '../config/settings.ts';
import { parseTokens } from '../config/tokens-file.ts';
import { type ParseFiles, parseFiles } from '../config/watched-file.ts';
import { NO_POLICY, type Policy, type Tokens } from '../model/policy.ts';
import { InputFault } from './saved-webhook.ts';

/** The tokens file and the permissions in the configuration file, as they are now. Either may be missing. */
export interface CallerFiles {
  readonly tokens: Tokens;
  readonly policy: Policy;
  readonly callers: Callers;
}

/** Rejects with an `InputFault` when a file went bad after the settings were read. */
export async function readCallerFiles({
  tokensPath,
  configPath,
}: Pick<JudgingSettings, 'tokensPath' | 'configPath'>): Promise<CallerFiles> {
  const tokens = tokensPath === undefined ? [] : await readOnce(tokensPath, parseTokens);
  const policy = configPath === undefined ? NO_POLICY : await readPolicy(configPath);
  return { tokens, policy, callers: callersOf(tokens, policy) };
}

async function readPolicy(path: string): Promise<Policy> {
  const { parseConfigFile } = await import('../config/config-file.ts');
  return (await readOnce(path, parseConfigFile)).policy;
}

async function readOnce<T>(path: string, parse: ParseFiles<T>): Promise<T> {
  const read = await parseFiles([path], parse);
  if (read.kind === 'value') return read.value;
  throw new InputFault(read.issues.map(formatIssue).join('; '));
}

import { Fault } from '../model/fault.ts';

/** What the exit code of a command means; the numbers of sysexits.h where it has one. `docs/exit-codes.md` is made from this. */
export const EXIT_CODES = {
  ok: { code: 0, about: 'Done; for `serve` and `dev`: ended in good order after a signal.' },
  failed: {
    code: 1,
    about:
      'The gateway did not do what was asked, or with `check --explain`: would emit nothing; the message says why.',
  },
  usage: { code: 64, about: 'An unknown command, argument or flag, or a file named by one that cannot be read.' },
  unavailable: {
    code: 69,
    about:
      'A port cannot be listened on; for `check`: Brigade cannot be reached or does not work; for `dev` and `brigade`: ' +
      'the image does not contain them.',
  },
  broken: { code: 70, about: 'The journal or one of its threads broke and did not heal: start again.' },
  unreadable: { code: 74, about: 'The journal cannot be read or used; the message says what to do.' },
  locked: { code: 75, about: 'Another process owns the journal, or the data of the embedded Brigade.' },
  refused: { code: 77, about: 'For `check`: Brigade refuses the token, or its role.' },
  config: { code: 78, about: 'The configuration is wrong; every issue was printed.' },
} as const satisfies Readonly<Record<string, { readonly code: number; readonly about: string }>>;

export type ExitCode = (typeof EXIT_CODES)[keyof typeof EXIT_CODES]['code'];

/** By the stable code of a fault; any other is `broken`. */
const BY_FAULT: ReadonlyMap<string, ExitCode> = new Map<string, ExitCode>([
  ['listen_failed', EXIT_CODES.unavailable.code],
  ['journal_failed', EXIT_CODES.broken.code],
  ['journal_unreadable', EXIT_CODES.unreadable.code],
  ['journal_unusable', EXIT_CODES.unreadable.code],
  ['journal_locked', EXIT_CODES.locked.code],
  ['embedded_brigade_missing', EXIT_CODES.unavailable.code],
  ['input_unreadable', EXIT_CODES.usage.code],
  ['file_unfit', EXIT_CODES.config.code],
  ['certificate_invalid', EXIT_CODES.config.code],
]);

export function exitCodeOf(error: unknown): ExitCode {
  return (error instanceof Fault ? BY_FAULT.get(error.code) : undefined) ?? EXIT_CODES.broken.code;
}

/** One line for people: what happened, and what lay behind it. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : '';
  return error instanceof Fault ? `${error.message}${cause}` : (error.stack ?? error.message);
}

import { Fault, type FaultCode } from '../model/fault.ts';

/** The exit codes of the commands; the numbers of sysexits.h where it has one. `docs/exit-codes.md` is made from this. */
export const EXIT_CODES = {
  ok: { code: 0, about: 'Done. `serve` and `dev`: stopped by a signal, after finishing what was under way.' },
  failed: {
    code: 1,
    about:
      'The command failed, `check --explain` found no event to deliver, or `doctor` found a problem. The message says why.',
  },
  usage: {
    code: 64,
    about: 'The command, an argument or a flag is not known, or a file that one of them names cannot be read.',
  },
  unavailable: {
    code: 69,
    about:
      'A port cannot be listened on. `check`, `doctor`: Brigade cannot be reached or does not work. `dev`, `brigade`: the image does ' +
      'not contain them.',
  },
  broken: { code: 70, about: 'The journal or one of its threads broke while it ran. Start the gateway again.' },
  unreadable: {
    code: 74,
    about: 'The journal, or the data of the embedded Brigade, cannot be read or used. The message says what to do.',
  },
  locked: { code: 75, about: 'Another process uses the journal, or the data of the embedded Brigade.' },
  rejected: { code: 77, about: '`check`, `doctor`: Brigade rejects the token, or its service account lacks the role.' },
  config: { code: 78, about: 'The configuration is not valid. The messages name every issue.' },
} as const satisfies Readonly<Record<string, { readonly code: number; readonly about: string }>>;

export type ExitCode = (typeof EXIT_CODES)[keyof typeof EXIT_CODES]['code'];

const BY_FAULT: Readonly<Record<FaultCode, ExitCode>> = {
  listen_failed: EXIT_CODES.unavailable.code,
  certificate_invalid: EXIT_CODES.config.code,
  file_invalid: EXIT_CODES.config.code,
  input_unreadable: EXIT_CODES.usage.code,
  journal_locked: EXIT_CODES.locked.code,
  journal_unreadable: EXIT_CODES.unreadable.code,
  journal_unusable: EXIT_CODES.unreadable.code,
  journal_failed: EXIT_CODES.broken.code,
  embedded_brigade_missing: EXIT_CODES.unavailable.code,
};

export function exitCodeOf(error: unknown): ExitCode {
  return error instanceof Fault ? BY_FAULT[error.code] : EXIT_CODES.broken.code;
}

/** One line: what happened, and its cause. An error that is no fault comes with its stack. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : '';
  return error instanceof Fault ? `${error.message}${cause}` : (error.stack ?? error.message);
}

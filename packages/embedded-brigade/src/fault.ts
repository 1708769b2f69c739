/** Why the embedded Brigade cannot start. */
export type FaultCode = 'listen_failed' | 'embedded_brigade_locked' | 'embedded_brigade_too_new';

/** The embedded Brigade cannot start. Match on `code`, never on the message; `cause` is the system's error, if there is one. */
export class EmbeddedBrigadeFault extends Error {
  override readonly name = 'EmbeddedBrigadeFault';
  readonly code: FaultCode;

  constructor(code: FaultCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** With which exit code a program ends. The numbers are those of sysexits.h. */
export const FAULT_EXIT_CODES = {
  /** EX_UNAVAILABLE */
  listen_failed: 69,
  /** EX_IOERR */
  embedded_brigade_too_new: 74,
  /** EX_TEMPFAIL */
  embedded_brigade_locked: 75,
} as const satisfies Readonly<Record<FaultCode, number>>;

/** One line: what happened, and its cause. */
export function describeFault({ message, cause }: Error): string {
  return cause instanceof Error ? `${message} (${cause.message})` : message;
}

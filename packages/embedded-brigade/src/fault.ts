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

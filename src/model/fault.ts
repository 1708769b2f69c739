/** Every fault, in one spelling. The exit codes are a table of these, so that a new one does not compile until it has one. */
export type FaultCode =
  | 'listen_failed'
  | 'certificate_invalid'
  | 'file_invalid'
  | 'input_unreadable'
  /** Another process owns the journal. */
  | 'journal_locked'
  /** The journal's file is damaged, or is no journal. */
  | 'journal_unreadable'
  /** The journal's folder cannot be used: rights, kind of file system. */
  | 'journal_unusable'
  /** The journal broke while it ran, and does not heal. */
  | 'journal_failed'
  /** The command runs the embedded Brigade, which the production image does not contain. */
  | 'embedded_brigade_missing';

/**
 * What is not planned for, or cannot be fixed from within. It is thrown, and caught at three edges only: the HTTP server
 * (503 without detail), the deliver loop (retry), the command line (message and exit code).
 *
 * Match on `code`, which is stable, never on the message.
 */
export abstract class Fault extends Error {
  abstract override readonly name: string;
  abstract readonly code: FaultCode;
}

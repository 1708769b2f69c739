/**
 * An unexpected failure, or one that the gateway cannot repair itself. It is thrown, and caught at three edges only: the
 * HTTP server (503 without detail), the deliver loop (retry), the CLI (message and exit code).
 *
 * Match on `code`, which is stable, never on the message.
 */
export abstract class Fault extends Error {
  abstract override readonly name: string;
  abstract readonly code: string;
}

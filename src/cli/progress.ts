/** How often it is drawn, milliseconds. */
const DRAW_MS = 100;

const WIDTH = 30;

/** Draws on the terminal how far a long run is, and takes it away at its end. Draws nothing where there is no terminal. */
export class Progress {
  readonly #total: number;
  readonly #startedAt = performance.now();
  readonly #timer: NodeJS.Timeout | undefined;
  #done = 0;

  constructor(total: number, stream: NodeJS.WriteStream) {
    this.#total = total;
    if (stream.isTTY) this.#timer = setInterval(() => stream.write(`\r${this.#line()}\u001b[K`), DRAW_MS);
    this.end = () => {
      clearInterval(this.#timer);
      if (stream.isTTY) stream.write('\r\u001b[K');
    };
  }

  readonly end: () => void;

  step(): void {
    this.#done += 1;
  }

  #line(): string {
    const filled = Math.floor((this.#done / this.#total) * WIDTH);
    const rate = Math.round(this.#done / ((performance.now() - this.#startedAt) / 1000));
    return `${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)} ${this.#done}/${this.#total}  ${rate}/s`;
  }
}

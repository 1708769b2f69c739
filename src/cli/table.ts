import { printable } from '../model/printable.ts';
import { print } from './terminal.ts';

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string | number;
  /** On a terminal that is too narrow, its cells lose their beginnings. */
  readonly isCut?: true;
}

export interface TableOptions<Row> {
  readonly columns: readonly Column<Row>[];
  /** The last column, of longer texts. On a terminal that is too narrow, each has a line of its own below its row. */
  readonly note?: Column<Row>;
}

/** The characters of a cut cell that stay at least. */
const CUT_WIDTH = 12;

/** What the table is printed on. */
export interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/**
 * Prints rows in aligned columns, two blanks apart. The header is for people: without a terminal there is none, and nothing is
 * cut. More rows may follow those that are printed.
 */
export class Table<Row> {
  readonly #columns: readonly Column<Row>[];
  readonly #note: Column<Row> | undefined;
  readonly #screen: Screen;
  #widths: readonly number[];
  #hasHeader: boolean;

  constructor({ columns, note }: TableOptions<Row>, screen: Screen = process.stdout) {
    this.#columns = columns;
    this.#note = note;
    this.#screen = screen;
    this.#hasHeader = screen.isTTY !== true;
    this.#widths = columns.map(({ title }) => (this.#hasHeader ? 0 : title.length));
  }

  print(rows: readonly Row[]): void {
    for (const line of this.lines(rows)) print(line);
  }

  lines(rows: readonly Row[]): readonly string[] {
    const cells = rows.map((row) => this.#columns.map(({ cell }) => printable(String(cell(row)))));
    const notes = rows.map((row) => (this.#note === undefined ? '' : printable(String(this.#note.cell(row)))));
    this.#widths = this.#widths.map((width, at) => Math.max(width, ...cells.map((row) => length(row[at] ?? ''))));
    const width = this.#screen.isTTY === true ? (this.#screen.columns ?? 80) : Number.POSITIVE_INFINITY;
    const isNoteBelow = this.#width() + 2 + Math.max(0, ...notes.map(length)) > width;
    const widths = this.#fitted(width);
    const lines = cells.flatMap((row, at) => {
      const note = notes[at] ?? '';
      const line = this.#line(row, widths);
      if (note === '') return [line];
      const indent = (widths[0] ?? 0) + 2;
      return isNoteBelow ? [line, `${' '.repeat(indent)}${cutEnd(note, width - indent)}`] : [`${line}  ${note}`];
    });
    if (this.#hasHeader) return lines.map((line) => line.trimEnd());
    this.#hasHeader = true;
    const titles = this.#columns.map(({ title }) => title);
    const header =
      this.#line(titles, widths) + (isNoteBelow || this.#note === undefined ? '' : `  ${this.#note.title}`);
    return [header, ...lines].map((line) => line.trimEnd());
  }

  #width(): number {
    return this.#widths.reduce((sum, each) => sum + each + 2, -2);
  }

  /** Narrows the columns that may be cut, the last first. */
  #fitted(width: number): readonly number[] {
    const fitted = [...this.#widths];
    let excess = this.#width() - width;
    for (let at = fitted.length - 1; at >= 0 && excess > 0; at--) {
      if (this.#columns[at]?.isCut !== true) continue;
      const cut = Math.min(excess, Math.max(0, (fitted[at] ?? 0) - CUT_WIDTH));
      fitted[at] = (fitted[at] ?? 0) - cut;
      excess -= cut;
    }
    return fitted;
  }

  #line(cells: readonly string[], widths: readonly number[]): string {
    return cells.map((cell, at) => cutStart(cell, widths[at] ?? 0).padEnd(widths[at] ?? 0)).join('  ');
  }
}

function length(text: string): number {
  return [...text].length;
}

function cutStart(text: string, width: number): string {
  const characters = [...text];
  return characters.length <= width ? text : `…${characters.slice(characters.length - width + 1).join('')}`;
}

function cutEnd(text: string, width: number): string {
  const characters = [...text];
  return characters.length <= width ? text : `${characters.slice(0, width - 1).join('')}…`;
}

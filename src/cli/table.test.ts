import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Screen, Table } from './table.ts';

interface Row {
  readonly seq: number;
  readonly image: string;
  readonly why: string;
}

const ROWS: readonly Row[] = [
  { seq: 12, image: 'push example.azurecr.io/team/app:v1', why: 'rejected: 404' },
  { seq: 7, image: 'delete a/b', why: '' },
];

function linesOn(screen: Screen, rows = ROWS): readonly string[] {
  const table = new Table<Row>(
    {
      columns: [
        { title: 'SEQ', cell: ({ seq }) => seq },
        { title: 'EVENT', cell: ({ image }) => image, isCut: true },
      ],
      note: { title: 'DETAIL', cell: ({ why }) => why },
    },
    screen,
  );
  return table.lines(rows);
}

test('a table without a terminal has aligned rows and no header, and cuts nothing', () => {
  assert.deepEqual(linesOn({ columns: 20 }), [
    '12  push example.azurecr.io/team/app:v1  rejected: 404',
    '7   delete a/b',
  ]);
});

test('a table on a terminal has a header', () => {
  assert.deepEqual(linesOn({ isTTY: true, columns: 80 }), [
    'SEQ  EVENT                                DETAIL',
    '12   push example.azurecr.io/team/app:v1  rejected: 404',
    '7    delete a/b',
  ]);
});

test('on a narrow terminal details have lines of their own, and events lose their beginnings', () => {
  assert.deepEqual(linesOn({ isTTY: true, columns: 24 }), [
    'SEQ  EVENT',
    '12   …ecr.io/team/app:v1',
    '     rejected: 404',
    '7    delete a/b',
  ]);
});

test('a cell from outside cannot control the terminal or begin a line', () => {
  const [line = ''] = linesOn({}, [{ seq: 1, image: 'push \u001b[2J\nx', why: '' }]);
  assert.equal(line, '1  push \\u001b[2J\\u000ax');
});

test('later rows keep the columns of those before them, under one header', () => {
  const table = new Table<Row>(
    {
      columns: [
        { title: 'SEQ', cell: ({ seq }) => seq },
        { title: 'EVENT', cell: ({ image }) => image },
      ],
    },
    { isTTY: true, columns: 80 },
  );
  assert.deepEqual(table.lines([{ seq: 123456, image: 'a', why: '' }]), ['SEQ     EVENT', '123456  a']);
  assert.deepEqual(table.lines([{ seq: 1, image: 'b', why: '' }]), ['1       b']);
});

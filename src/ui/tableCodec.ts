/**
 * Tables as bytes, so that a page opens 100,000 rows without parsing them: a little-endian uint32 (length of the header),
 * the header in JSON, spaces up to a multiple of 8, then the columns one after the other, each starting at a multiple of 8.
 */
import type { Column, Columns } from "./table.ts";

interface Header<M> {
  readonly meta: M;
  readonly tables: Readonly<Record<string, { readonly count: number; readonly columns: readonly HeaderColumn[] }>>;
}

interface HeaderColumn {
  readonly name: string;
  readonly bits: 32 | 64;
}

const WORD = 8;
const padded = (bytes: number): number => Math.ceil(bytes / WORD) * WORD;

export function encodeTables<M>(meta: M, tables: Readonly<Record<string, Columns>>): Uint8Array<ArrayBuffer> {
  const header: Header<M> = { meta, tables: mapValues(tables, describe) };
  const text = new TextEncoder().encode(JSON.stringify(header));
  const start = padded(4 + text.byteLength);
  const columns = Object.values(tables).flatMap(({ columns }) => Object.values(columns));
  const bytes = new Uint8Array(start + columns.reduce((sum, column) => sum + padded(column.byteLength), 0));
  bytes.fill(0x20, 4, start);
  new DataView(bytes.buffer).setUint32(0, start - 4, true);
  bytes.set(text, 4);
  let at = start;
  for (const column of columns) {
    bytes.set(new Uint8Array(column.buffer, column.byteOffset, column.byteLength), at);
    at += padded(column.byteLength);
  }
  return bytes;
}

const describe = ({ count, columns }: Columns) => ({
  count,
  columns: Object.entries(columns).map(([name, column]) => ({
    name,
    bits: column instanceof Float64Array ? (64 as const) : (32 as const),
  })),
});

/** The columns are views of the bytes. */
export function decodeTables<M>(bytes: ArrayBuffer): { readonly meta: M; readonly tables: Record<string, Columns> } {
  const length = new DataView(bytes).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length))) as Header<M>;
  let at = 4 + length;
  const tables = mapValues(header.tables, ({ count, columns }) => ({
    count,
    columns: Object.fromEntries(
      columns.map(({ name, bits }): [string, Column] => {
        const column = bits === 64 ? new Float64Array(bytes, at, count) : new Float32Array(bytes, at, count);
        at += padded(column.byteLength);
        return [name, column];
      }),
    ),
  }));
  return { meta: header.meta, tables };
}

const mapValues = <A, B>(record: Readonly<Record<string, A>>, f: (value: A) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, f(value)]));

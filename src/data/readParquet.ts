import {
  asyncBufferFromFile,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
} from "hyparquet";
import { compressors } from "hyparquet-compressors";
import type { Document } from "./document.ts";

type ParquetFile = Awaited<ReturnType<typeof asyncBufferFromFile>>;

async function open(file: string): Promise<{ buffer: ParquetFile; metadata: FileMetaData }> {
  try {
    const buffer = await asyncBufferFromFile(file);
    return { buffer, metadata: await parquetMetadataAsync(buffer) };
  } catch (cause) {
    throw new Error(`readDocuments: ${file} is no whole Parquet file: ${(cause as Error).message}; fetch it again`, {
      cause,
    });
  }
}

/** The documents of a Parquet file, named `name#row` with rows from 0. Memory holds the text of one row group. */
export async function* readParquet(file: string, name: string, column: string): AsyncGenerator<Document> {
  const { buffer, metadata } = await open(file);
  const columns = parquetSchema(metadata).children.map((child) => child.element.name);
  if (!columns.includes(column)) {
    throw new Error(
      `readDocuments: ${file} must have the column "${column}", got columns ${columns.join(", ")}; name one with textColumn`,
    );
  }
  let row = 0;
  for (const group of metadata.row_groups) {
    const rowEnd = row + Number(group.num_rows);
    const options = { file: buffer, metadata, columns: [column], rowStart: row, rowEnd, compressors };
    for (const record of await parquetReadObjects(options)) {
      const text: unknown = record[column];
      if (typeof text !== "string") {
        throw new Error(
          `readDocuments: ${file} row ${row} must hold a string in the column "${column}", got ${typeof text}; ` +
            "fill in or drop such rows",
        );
      }
      yield { name: `${name}#${row}`, text };
      row++;
    }
  }
}

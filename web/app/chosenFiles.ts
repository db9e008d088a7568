import type { RunSource } from "../engine/protocol.ts";

/** A run as it was chosen from a disk: one .zip, or the files of a folder. */
export async function runOfFiles(files: readonly File[]): Promise<{ readonly name: string; readonly from: RunSource }> {
  const [first] = files;
  if (first === undefined) throw new Error("files: there must be one, got none; choose a .zip of a run folder");
  if (files.length === 1) return { name: first.name.replace(/\.zip$/i, ""), from: { kind: "archive", archive: first } };
  const entries = files.map(async (file) => [pathInside(file), new Uint8Array(await file.arrayBuffer())] as const);
  return { name: folderOf(first) || "files", from: { kind: "files", files: new Map(await Promise.all(entries)) } };
}

/** A file of a folder that was chosen whole has a path, which begins with the folder's name; others have a name alone. */
const pathInside = ({ name, webkitRelativePath }: File): string =>
  webkitRelativePath === "" ? name : webkitRelativePath.split("/").slice(1).join("/");

const folderOf = ({ webkitRelativePath }: File): string => webkitRelativePath.split("/")[0]!;

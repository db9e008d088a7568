/** A name for a run that comes in as a file: the file's, of letters that storage and command lines take, and not taken yet. */
export function freeName(file: string, taken: readonly string[]): string {
  const wanted =
    file
      .replace(/\.zip$/i, "")
      .replace(/[^\w.-]+/g, "-")
      .replace(/^[^A-Za-z0-9]+|[. -]+$/g, "")
      .slice(0, 80) || "run";
  if (!taken.includes(wanted)) return wanted;
  for (let i = 2; ; i++) if (!taken.includes(`${wanted}-${i}`)) return `${wanted}-${i}`;
}

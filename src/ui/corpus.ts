import { readDocuments } from "../data/documents.ts";

/** First year of the addresses that a page trains on at first: enough for a first model, and soon loaded. */
const RECENT_FROM = 1981;

/** A corpus as the engine of the page reads it: its documents as JSON, in the order of their names. */
export async function corpusJson(name: "sotu" | "sotu-recent"): Promise<string> {
  const documents = [];
  for await (const document of readDocuments(["sotu"])) {
    if (name === "sotu" || Number.parseInt(document.name, 10) >= RECENT_FROM) documents.push(document);
  }
  return JSON.stringify(documents);
}

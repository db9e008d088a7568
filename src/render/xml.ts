import { escapeUnprintable } from "./tokenText.ts";

/** A text as it may stand in XML or HTML, attributes included; what must not stand there at all shows as its code. */
export function escapeXml(text: string): string {
  return escapeUnprintable(text).replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

import { escapeXml } from "../render/xml.ts";

/** A text, or one with a class that colours it. */
export type HtmlCell = string | { readonly text: string; readonly className: string };

/** A table that scrolls where it is too wide; columns of numbers are set to the right. */
export function htmlTable(headings: readonly string[], rows: readonly (readonly HtmlCell[])[]): string {
  const isNumber = headings.map((_, i) => isNumeric(rows.map((row) => textOf(row[i]!))));
  const attribute = (i: number) => (isNumber[i] ? ' class="number"' : "");
  const head = headings.map((heading, i) => `<th scope="col"${attribute(i)}>${escapeXml(heading)}</th>`).join("");
  const body = rows.map(
    (row) => `<tr>${row.map((cell, i) => `<td${attribute(i)}>${cellHtml(cell)}</td>`).join("")}</tr>`,
  );
  return `<div class="wide"><table>\n<thead><tr>${head}</tr></thead>\n<tbody>\n${body.join("\n")}\n</tbody>\n</table></div>`;
}

const isNumeric = (texts: readonly string[]): boolean => {
  const given = texts.filter((text) => text !== "");
  return given.length > 0 && given.every((text) => /^([-−+]?[\d.]|none)/.test(text));
};

const textOf = (cell: HtmlCell): string => (typeof cell === "string" ? cell : cell.text);

const cellHtml = (cell: HtmlCell): string =>
  typeof cell === "string" ? escapeXml(cell) : `<span class="${cell.className}">${escapeXml(cell.text)}</span>`;

export const paragraph = (text: string): string => `<p>${escapeXml(text)}</p>`;

export const section = (heading: string, ...parts: readonly string[]): string =>
  `<section>\n<h2>${escapeXml(heading)}</h2>\n${parts.join("\n")}\n</section>`;

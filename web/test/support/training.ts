import type { Page } from "playwright-core";
import { someText } from "../../../test/support/cli.ts";

/** Chooses texts of one's own, and waits until they are read: a vocabulary is learned from them in a moment. */
export async function chooseTexts(page: Page): Promise<void> {
  const files = Array.from({ length: 6 }, (_, i) => ({
    name: `${i}.txt`,
    mimeType: "text/plain",
    buffer: Buffer.from(someText(i)),
  }));
  await page.getByLabel("Text files").setInputFiles(files);
  await page.getByText("0.txt, 1.txt").waitFor();
}

/** Starts what the form of the page Train says, on these texts. */
export async function startTraining(page: Page): Promise<void> {
  await page.getByText("Your own files").click();
  await chooseTexts(page);
  await page.getByRole("button", { name: "Train", exact: true }).click();
}

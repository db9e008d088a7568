import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const OPENERS: Readonly<Partial<Record<NodeJS.Platform, readonly string[]>>> = {
  darwin: ["open"],
  win32: ["rundll32", "url.dll,FileProtocolHandler"],
};

/**
 * Opens an address in the user's browser, where there is one; a machine without is none the worse. The address holds a secret,
 * and the arguments of a process can be read by everybody on a machine: so what is opened is a file, which only its owner can
 * read, and which leads there.
 *
 * @returns what removes the file again
 */
export function openBrowser(address: string): () => void {
  const dir = mkdtempSync(path.join(tmpdir(), "mod-ui-"));
  const file = path.join(dir, "open.html");
  writeFileSync(file, `<!doctype html><meta http-equiv="refresh" content="0; url=${address}">\n`, { mode: 0o600 });
  const [program, ...args] = OPENERS[process.platform] ?? ["xdg-open"];
  const child = spawn(program!, [...args, file], { stdio: "ignore", detached: true });
  child.on("error", () => {});
  child.unref();
  return () => rmSync(dir, { recursive: true, force: true });
}

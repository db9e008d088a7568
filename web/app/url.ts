/** Where one is, and with which settings: all of it stands in the address behind #, so that it can be kept and sent on. */
import { useSyncExternalStore } from "./store.ts";

export const PAGES = ["home", "runs", "microscope", "playground", "train", "studies"] as const;
export type PageName = (typeof PAGES)[number];

export interface Place {
  readonly page: PageName;
  readonly params: Readonly<Record<string, string>>;
}

/** `#/runs?select=a,b` -> the page `runs` with its settings. What names no page is the first. */
export function parsePlace(hash: string, first: PageName): Place {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?");
  const page = PAGES.find((name) => name === path) ?? first;
  return { page, params: Object.fromEntries(new URLSearchParams(query)) };
}

export function formatPlace({ page, params }: Place): string {
  const query = new URLSearchParams(Object.entries(params).filter(([, value]) => value !== "")).toString();
  // Commas and slashes, which lists and run names have, need no escape behind #, nor has the sign between a range's ends.
  const readable = query.replaceAll("%2C", ",").replaceAll("%2F", "/").replaceAll("%7E", "~");
  return readable === "" ? `#/${page}` : `#/${page}?${readable}`;
}

export const isLocal = (): boolean => document.documentElement.dataset.server === "local";

/** With a server, its runs come first; without one, what this is about. */
const firstPage = (): PageName => (isLocal() ? "runs" : "home");

let current: { readonly hash: string; readonly place: Place } | undefined;

function placeNow(): Place {
  const { hash } = location;
  if (current?.hash !== hash) current = { hash, place: parsePlace(hash, firstPage()) };
  return current.place;
}

const listeners = new Set<() => void>();
let arrivals = 0;

const tell = (): void => {
  for (const listener of listeners) listener();
};

/** A link was followed, or an address typed: no change of the settings alone does this. */
function arrive(): void {
  arrivals++;
  tell();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  // One for all, so that all are drawn once.
  window.addEventListener("hashchange", arrive);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) window.removeEventListener("hashchange", arrive);
  };
}

/** Changes settings of this page; an empty one is left out. The way back leads to the page before, not to the settings. */
export function setParams(change: Readonly<Record<string, string>>): void {
  const { page, params } = placeNow();
  history.replaceState(null, "", formatPlace({ page, params: { ...params, ...change } }));
  tell();
}

export const linkTo = (page: PageName, params: Readonly<Record<string, string>> = {}): string =>
  formatPlace({ page, params });

export const usePlace = (): Place => useSyncExternalStore(subscribe, placeNow);

/** How many addresses were followed. What a page changes of its own settings is not counted. */
export const useArrivals = (): number => useSyncExternalStore(subscribe, () => arrivals);

/** One setting of the page, as a state is used. */
export function useParam(name: string, initial = ""): [value: string, set: (value: string) => void] {
  const { params } = usePlace();
  return [params[name] ?? initial, (value) => setParams({ [name]: value === initial ? "" : value })];
}

/** A setting that is one of a few. */
export function useChoice<T extends string>(name: string, choices: readonly T[]): [value: T, set: (value: T) => void] {
  const [value, set] = useParam(name, choices[0]!);
  return [choices.find((choice) => choice === value) ?? choices[0]!, set];
}

/** A list as a setting holds it: apart by commas, which are escaped where a part of it has them itself. */
export const listText = (parts: readonly string[]): string =>
  parts.map((part) => part.replaceAll("%", "%25").replaceAll(",", "%2C")).join(",");

export const listOf = (value: string): string[] =>
  value === "" ? [] : value.split(",").map((part) => part.replaceAll("%2C", ",").replaceAll("%25", "%"));

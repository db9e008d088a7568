import { Store, useStore } from "./store.ts";

export const THEMES = ["auto", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const KEY = "mod.theme";
const dark = window.matchMedia("(prefers-color-scheme: dark)");

function kept(): Theme {
  const value = localStorage.getItem(KEY);
  return THEMES.find((theme) => theme === value) ?? "auto";
}

const chosen = new Store<Theme>(kept());
const shown = new Store<"light" | "dark">("light");

function apply(): void {
  const { value } = chosen;
  const look = value === "auto" ? (dark.matches ? "dark" : "light") : value;
  document.documentElement.dataset.theme = look;
  shown.set(look);
}

apply();
dark.addEventListener("change", apply);

export function setTheme(theme: Theme): void {
  localStorage.setItem(KEY, theme);
  chosen.set(theme);
  apply();
}

export const useTheme = (): Theme => useStore(chosen);

/** What is on the screen: for what is drawn by hand and not by style sheets. */
export const useLook = (): "light" | "dark" => useStore(shown);

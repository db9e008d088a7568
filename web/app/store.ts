import { useEffect, useState } from "preact/hooks";

/** A value that components are drawn from again when it changes. */
export class Store<T> {
  #value: T;
  readonly #listeners = new Set<() => void>();

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const listener of this.#listeners) listener();
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };
}

/** The value that a source gives now; the component is drawn again when the source says that it changed. */
export function useSyncExternalStore<T>(subscribe: (listener: () => void) => () => void, read: () => T): T {
  const [, redraw] = useState(0);
  const value = read();
  useEffect(() => {
    let last = value;
    const look = () => {
      const now = read();
      if (Object.is(now, last)) return;
      last = now;
      redraw((count) => count + 1);
    };
    const stop = subscribe(look);
    look(); // it may have changed since it was drawn
    return stop;
  }, [subscribe]);
  return value;
}

export const useStore = <T>(store: Store<T>): T => useSyncExternalStore(store.subscribe, () => store.value);

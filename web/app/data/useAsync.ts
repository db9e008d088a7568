import { useEffect, useState } from "preact/hooks";

export type Async<T> =
  | { readonly state: "waiting" }
  | { readonly state: "done"; readonly value: T }
  | { readonly state: "failed"; readonly message: string };

/** What a promise gives; made anew when `keys` change. The older answer stays until the newer one is there. */
export function useAsync<T>(make: () => Promise<T>, keys: readonly unknown[]): Async<T> {
  const [answer, setAnswer] = useState<Async<T>>({ state: "waiting" });
  useEffect(() => {
    let isCurrent = true;
    const put = (next: Async<T>) => isCurrent && setAnswer(next);
    make().then(
      (value) => put({ state: "done", value }),
      (error: Error) => put({ state: "failed", message: error.message }),
    );
    return () => {
      isCurrent = false;
    };
  }, keys);
  return answer;
}

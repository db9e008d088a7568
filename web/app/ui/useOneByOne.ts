import { useEffect, useState } from "preact/hooks";

/** How many of several costly parts may be there yet: one more with each frame, so that no task makes them all. */
export function useOneByOne(count: number): number {
  const [made, setMade] = useState(0);
  useEffect(() => {
    if (made >= count) return;
    const frame = requestAnimationFrame(() => setMade(made + 1));
    return () => cancelAnimationFrame(frame);
  }, [made, count]);
  return Math.min(made, count);
}

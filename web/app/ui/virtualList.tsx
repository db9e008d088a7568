import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

interface VirtualListProps<T> {
  readonly items: readonly T[];
  readonly label: string;
  /** Pixels; all rows have the same height. */
  readonly rowHeight: number;
  readonly keyOf: (item: T) => string;
  /** When it changes the list is another, and begins at its top. */
  readonly identity: string;
  readonly row: (item: T, index: number) => ComponentChildren;
}

/** Rows above and below the visible ones: scrolling shows no gaps. */
const MARGIN = 6;

/** A list of any length, of which only the rows in sight are there. Up and down move from row to row. */
export function VirtualList<T>({ items, label, rowHeight, keyOf, identity, row }: VirtualListProps<T>) {
  const frame = useRef<HTMLDivElement>(null);
  const [{ top, height }, setView] = useState({ top: 0, height: 600 });
  useEffect(() => {
    const element = frame.current!;
    const look = () => setView({ top: element.scrollTop, height: element.clientHeight });
    const observer = new ResizeObserver(look);
    observer.observe(element);
    element.addEventListener("scroll", look, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", look);
    };
  }, []);
  useEffect(() => {
    frame.current!.scrollTop = 0;
  }, [identity]);
  const first = Math.max(0, Math.floor(top / rowHeight) - MARGIN);
  const end = Math.min(items.length, Math.ceil((top + height) / rowHeight) + MARGIN);
  return (
    <div class="virtual-frame" ref={frame}>
      <ul
        class="virtual-list"
        aria-label={label}
        style={{ height: `${items.length * rowHeight}px` }}
        onKeyDown={(event) => moveFocus(event, frame.current!, rowHeight)}
      >
        {items.slice(first, end).map((item, i) => (
          <li
            key={keyOf(item)}
            data-index={first + i}
            aria-setsize={items.length}
            aria-posinset={first + i + 1}
            style={{ top: `${(first + i) * rowHeight}px`, height: `${rowHeight}px` }}
          >
            {row(item, first + i)}
          </li>
        ))}
      </ul>
    </div>
  );
}

function moveFocus(event: KeyboardEvent, frame: HTMLElement, rowHeight: number): void {
  const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
  const from = (event.target as HTMLElement).closest<HTMLElement>("[data-index]");
  if (step === 0 || from === null) return;
  event.preventDefault();
  const next = Number(from.dataset.index) + step;
  const place = next * rowHeight;
  if (place < frame.scrollTop) frame.scrollTop = Math.max(0, place);
  if (place + rowHeight > frame.scrollTop + frame.clientHeight)
    frame.scrollTop = place + rowHeight - frame.clientHeight;
  // Rows just outside are there already; they have controls of the same kinds.
  const target = (event.target as HTMLElement).dataset.control;
  const row = frame.querySelector<HTMLElement>(`[data-index="${next}"]`);
  row?.querySelector<HTMLElement>(`[data-control="${target}"]`)?.focus({ preventScroll: true });
}

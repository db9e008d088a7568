import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { isShortcut } from "./shortcut.ts";

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
  const wanted = useRef<Wanted>(undefined);
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
  // Before anything of the new list is seen, or keys move in it.
  useLayoutEffect(() => {
    frame.current!.scrollTop = 0;
    wanted.current = undefined;
  }, [identity]);
  useLayoutEffect(() => focusWanted(frame.current!, wanted));
  const first = Math.max(0, Math.floor(top / rowHeight) - MARGIN);
  const end = Math.min(items.length, Math.ceil((top + height) / rowHeight) + MARGIN);
  return (
    <div class="virtual-frame" ref={frame}>
      <ul
        class="virtual-list"
        aria-label={label}
        style={{ height: `${items.length * rowHeight}px` }}
        onKeyDown={(event) => moveFocus(event, frame.current!, { rowHeight, rows: items.length, wanted })}
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

/** The row whose control of the kind that had the focus has it next: keys may come faster than rows are drawn. */
type Wanted = { readonly index: number; readonly control: string | undefined } | undefined;

interface Rows {
  readonly rowHeight: number;
  readonly rows: number;
  readonly wanted: { current: Wanted };
}

function moveFocus(event: KeyboardEvent, frame: HTMLElement, { rowHeight, rows, wanted }: Rows): void {
  const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
  const target = event.target as HTMLElement;
  const from = target.closest<HTMLElement>("[data-index]");
  if (step === 0 || from === null || isShortcut(event)) return;
  event.preventDefault();
  const index = (wanted.current?.index ?? Number(from.dataset.index)) + step;
  if (index < 0 || index >= rows) return;
  const place = index * rowHeight;
  if (place < frame.scrollTop) frame.scrollTop = place;
  if (place + rowHeight > frame.scrollTop + frame.clientHeight)
    frame.scrollTop = place + rowHeight - frame.clientHeight;
  wanted.current = { index, control: target.dataset.control };
  focusWanted(frame, wanted);
}

function focusWanted(frame: HTMLElement, wanted: { current: Wanted }): void {
  if (wanted.current === undefined) return;
  const row = frame.querySelector<HTMLElement>(`[data-index="${wanted.current.index}"]`);
  if (row === null) return;
  row.querySelector<HTMLElement>(`[data-control="${wanted.current.control}"]`)?.focus({ preventScroll: true });
  wanted.current = undefined;
}

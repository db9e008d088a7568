import type { ComponentType } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { live } from "./data/live.ts";
import { HomePage } from "./pages/home/page.tsx";
import { MicroscopePage } from "./pages/microscope/page.tsx";
import { PlaygroundPage } from "./pages/playground/page.tsx";
import { RunsPage } from "./pages/runs/page.tsx";
import { StudiesPage } from "./pages/studies/page.tsx";
import { TrainPage } from "./pages/train/page.tsx";
import { useStore } from "./store.ts";
import { setTheme, THEMES, useTheme } from "./theme.ts";
import { Segmented } from "./ui/controls.tsx";
import { isLocal, linkTo, type PageName, useArrivals, usePlace } from "./url.ts";

const PAGES: Readonly<Record<PageName, { readonly title: string; readonly Page: ComponentType }>> = {
  home: { title: "Home", Page: HomePage },
  runs: { title: "Runs", Page: RunsPage },
  microscope: { title: "Microscope", Page: MicroscopePage },
  playground: { title: "Playground", Page: PlaygroundPage },
  train: { title: "Train", Page: TrainPage },
  studies: { title: "Studies", Page: StudiesPage },
};

export function App() {
  const { page } = usePlace();
  const { title, Page } = PAGES[page];
  const arrivals = useArrivals();
  const heading = useRef<HTMLElement>(null);
  const isFirst = useRef(true);
  useEffect(() => {
    document.title = `${title} · Mixture-of-Depths`;
    // Whoever follows a link by keyboard or ear goes on at the new page's beginning.
    if (!isFirst.current) heading.current?.focus({ preventScroll: true });
    isFirst.current = false;
    window.scrollTo(0, 0);
  }, [page]);
  return (
    <>
      <button type="button" class="skip" onClick={() => heading.current?.focus()}>
        Skip to content
      </button>
      <Header page={page} />
      {isLocal() && <ConnectionNotice />}
      <main id="main" ref={heading} tabIndex={-1} class={`page page-${page}`}>
        {/* One that a link leads to begins anew with what the link says. */}
        <Page key={`${page} ${arrivals}`} />
      </main>
    </>
  );
}

function Header({ page }: { page: PageName }) {
  const names = (Object.keys(PAGES) as PageName[]).filter((name) => name !== "runs" || isLocal());
  return (
    <header class="top">
      <a class="brand" href={linkTo("home")}>
        <BrandMark />
        <span>Mixture-of-Depths</span>
      </a>
      <nav aria-label="Pages">
        {names.map((name) => (
          <a key={name} href={linkTo(name)} {...(name === page && { "aria-current": "page" as const })}>
            {PAGES[name].title}
          </a>
        ))}
      </nav>
      <Segmented label="Theme" isLabelHidden choices={THEMES} value={useTheme()} onChange={setTheme} />
    </header>
  );
}

const BrandMark = () => (
  <svg class="brand-mark" width="20" height="20" viewBox="0 0 20 20" aria-hidden="true">
    <rect x="1" y="14" width="18" height="4" rx="1" />
    <rect x="1" y="8" width="4" height="4" rx="1" />
    <rect x="8" y="8" width="4" height="4" rx="1" class="is-around" />
    <rect x="15" y="8" width="4" height="4" rx="1" />
    <rect x="1" y="2" width="18" height="4" rx="1" />
  </svg>
);

function ConnectionNotice() {
  const connection = useStore(live.connection);
  useEffect(() => live.watch([]), []);
  if (connection !== "lost") return null;
  return (
    <div class="banner" role="alert">
      The server does not answer. Trying again; what is shown may be old. If mod ui was ended, start it again on the
      same port.
    </div>
  );
}

/** Colours of the report: light and, where the reader's system asks for it, dark; the figures' too. */
export const REPORT_STYLE = `
:root { color-scheme: light dark; --paper: #fff; --ink: #1c2433; --quiet: #58627a; --line: #d9dee8; --good: #17663a; --bad: #a4262c; --open: #7a5a00; }
body { margin: 0 auto; max-width: 1240px; padding: 1.5rem; background: var(--paper); color: var(--ink); font: 15px/1.5 "DejaVu Sans", "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
p, li { max-width: 62rem; }
.quiet { color: var(--quiet); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem .3rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { color: var(--quiet); font-weight: 600; }
td.number, th.number { text-align: right; white-space: nowrap; }
.supported, .contradicted, .open, .missing, .shown { font-weight: 600; white-space: nowrap; }
.supported { color: var(--good); }
.contradicted { color: var(--bad); }
.open { color: var(--open); }
.missing, .shown { color: var(--quiet); }
pre { overflow-x: auto; padding: .8rem; border: 1px solid var(--line); border-radius: 6px; font-size: 13px; }
figure { margin: 1.2rem 0; }
figure svg { display: block; max-width: 100%; height: auto; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #12161d; --ink: #e4e8f0; --quiet: #a2abbd; --line: #303846; --good: #6fcf97; --bad: #ff8a8a; --open: #e6c15c; }
  figure .chart-paper { fill: #12161d; }
  figure .chart-ink { fill: #e4e8f0; }
  figure .chart-quiet { fill: #a2abbd; }
  figure .chart-grid { stroke: #262d39; }
  figure .chart-axis { stroke: #5b6577; }
  figure .chart-guide { stroke: #a2abbd; }
  figure .chart-star { stroke: #12161d; }
  figure .chart-star-hollow { fill: #12161d; }
  figure .series-0 { color: #4aa3e0; }
  figure .series-1 { color: #ff8a4c; }
  figure .series-2 { color: #2fc79a; }
}
`;

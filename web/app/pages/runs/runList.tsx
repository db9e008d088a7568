import type { RunSummary } from "../../../../src/ui/api.ts";
import { ago, fixed, short } from "../../format.ts";
import { useLook } from "../../theme.ts";
import { SelectField } from "../../ui/controls.tsx";
import { seriesColor } from "../../ui/palette.ts";
import { Sparkline } from "../../ui/sparkline.tsx";
import { VirtualList } from "../../ui/virtualList.tsx";
import { useChoice, useParam } from "../../url.ts";
import { arrange, ORDERS, type Order } from "./arrange.ts";

const ORDER_TEXTS: Readonly<Record<Order, string>> = {
  changed: "Latest first",
  name: "By name",
  loss: "Lowest loss first",
};
const ROW_HEIGHT = 68;

interface RunListProps {
  readonly runs: readonly RunSummary[];
  readonly selected: readonly string[];
  readonly onSelect: (ids: string[]) => void;
  readonly onNew: () => void;
}

/** All runs: a click shows one, its box adds it to a comparison. */
export function RunList({ runs, selected, onSelect, onNew }: RunListProps) {
  const [filter, setFilter] = useParam("filter");
  const [order, setOrder] = useChoice("order", ORDERS);
  const shown = arrange(runs, filter, order);
  const toggle = (id: string) =>
    onSelect(selected.includes(id) ? selected.filter((other) => other !== id) : [...selected, id]);
  return (
    <section class="run-list" aria-label="Runs">
      <div class="run-list-head">
        <h1>Runs</h1>
        <span class="quiet">{shown.length === runs.length ? runs.length : `${shown.length} of ${runs.length}`}</span>
        <button type="button" class="button is-main" onClick={onNew}>
          New run
        </button>
      </div>
      <div class="run-list-tools">
        <input
          type="search"
          aria-label="Filter runs"
          placeholder="Filter: name, state, mod, dense…"
          value={filter}
          onInput={(event) => setFilter(event.currentTarget.value)}
        />
        <SelectField
          label="Order"
          value={order}
          options={ORDERS.map((value) => ({ value, text: ORDER_TEXTS[value] }))}
          onChange={(value) => setOrder(value as Order)}
        />
      </div>
      <VirtualList
        items={shown}
        label="Runs"
        rowHeight={ROW_HEIGHT}
        keyOf={({ id }) => id}
        identity={`${order} ${filter}`}
        row={(run) => (
          <RunRow
            run={run}
            place={selected.indexOf(run.id)}
            onOnly={() => onSelect([run.id])}
            onToggle={() => toggle(run.id)}
          />
        )}
      />
    </section>
  );
}

interface RunRowProps {
  readonly run: RunSummary;
  /** Among the selected; −1 where it is not. */
  readonly place: number;
  readonly onOnly: () => void;
  readonly onToggle: () => void;
}

function RunRow({ run, place, onOnly, onToggle }: RunRowProps) {
  const look = useLook();
  const isSelected = place >= 0;
  const color = isSelected ? seriesColor(place, look) : undefined;
  return (
    <div class={isSelected ? "run-row is-selected" : "run-row"} style={color ? { "--series": color } : {}}>
      <input
        type="checkbox"
        data-control="compare"
        aria-label={`Compare ${run.id}`}
        checked={isSelected}
        onChange={onToggle}
      />
      <button type="button" class="run-name" data-control="show" aria-pressed={isSelected} onClick={onOnly}>
        <span class="run-id">{run.id}</span>
        <span class="run-about">{aboutOf(run)}</span>
      </button>
      <Sparkline values={run.spark} {...(color !== undefined && { color })} />
      <div class="run-numbers">
        <span class="run-loss">{fixed(run.validation?.lossNats ?? run.lossNats, 3)}</span>
        <StateMark run={run} />
      </div>
    </div>
  );
}

function aboutOf({ model, step, steps, problem }: RunSummary): string {
  if (model === null) return problem ?? "waiting for its folder";
  const shape = `${model.family} ${model.nLayer}×${model.dModel}`;
  const capacity = model.capacityRatio === null ? [] : [`${short(100 * model.capacityRatio)} %`];
  const progress = step === null ? [] : [steps === null ? `step ${short(step)}` : `${short(step)} of ${short(steps)}`];
  return [shape, ...capacity, ...progress].join(" · ");
}

/** The state in a word; a dot beside it, for the eye that runs down the list. */
export function StateMark({ run }: { run: RunSummary }) {
  const isStarting = run.state === "starting";
  const when = run.state === "running" || isStarting ? "" : ` · ${ago(run.changedMs)}`;
  // What a run that starts tells is what it does.
  const hasFailed = run.problem !== null && run.state !== "damaged" && !isStarting;
  return (
    <span class={`state is-${hasFailed ? "damaged" : run.state}`}>
      {hasFailed ? "failed" : run.state}
      <span class="state-when">{when}</span>
    </span>
  );
}

const [WIDTH, HEIGHT] = [60, 24];

/** A curve without axes: the course of a loss at a glance. */
export function Sparkline({ values, color }: { values: readonly number[]; color?: string }) {
  if (values.length < 2) return <svg class="sparkline" width={WIDTH} height={HEIGHT} aria-hidden="true" />;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const span = high - low || 1;
  const points = values.map((value, i) => {
    const x = 1 + ((WIDTH - 2) * i) / (values.length - 1);
    const y = 2 + (HEIGHT - 4) * (1 - (value - low) / span);
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  return (
    <svg class="sparkline" width={WIDTH} height={HEIGHT} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
      <polyline points={points.join(" ")} {...(color !== undefined && { stroke: color })} />
    </svg>
  );
}

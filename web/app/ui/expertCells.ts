import { expertColor } from "./expertColors.ts";

/** A lower cell has no room for a number. */
const LEAST_HEIGHT = 10;

interface Place {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

/** A token's cell in a layer of experts: a part for each expert that computed it, or a stroke where none did. */
export function drawExperts(
  context: CanvasRenderingContext2D,
  { x, y, w, h }: Place,
  experts: readonly number[],
  quiet: string,
): void {
  if (experts.length === 0) {
    context.fillStyle = quiet;
    context.fillRect(x + 2, y + Math.floor(h / 2), w - 4, 1.5);
    return;
  }
  const part = w / experts.length;
  for (const [i, expert] of experts.entries()) {
    const { ground, ink } = expertColor(expert);
    context.fillStyle = ground;
    context.fillRect(x + i * part, y, i + 1 < experts.length ? part - 1 : part, h);
    if (h < LEAST_HEIGHT || part < 9) continue;
    context.fillStyle = ink;
    context.font = `600 ${Math.min(11, h - 2)}px "Inter Variable", system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(String(expert), x + (i + 0.5) * part, y + h / 2 + 0.5);
  }
}

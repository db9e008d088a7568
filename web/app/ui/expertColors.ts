/** Colours of experts: Okabe and Ito's, and a grey. They are read on light and dark alike; a number stands in each. */
const COLORS = [
  { ground: "#0072b2", ink: "#ffffff" },
  { ground: "#e69f00", ink: "#10151b" },
  { ground: "#009e73", ink: "#10151b" },
  { ground: "#cc79a7", ink: "#10151b" },
  { ground: "#56b4e9", ink: "#10151b" },
  { ground: "#d55e00", ink: "#10151b" },
  { ground: "#f0e442", ink: "#10151b" },
  { ground: "#6f7985", ink: "#10151b" },
] as const;

export const expertColor = (expert: number): (typeof COLORS)[number] => COLORS[expert % COLORS.length]!;

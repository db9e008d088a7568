/** A token as it is shown: what a text would hide is made visible. */
export const visible = (text: string): string => {
  if (text === "<|endoftext|>") return "⟨start⟩";
  if (text === "") return "∅";
  return text
    .replaceAll("\n", "↵")
    .replaceAll("\t", "⇥")
    .replace(/^ +| +$/g, (spaces) => "·".repeat(spaces.length));
};

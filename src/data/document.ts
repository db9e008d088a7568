/** A text to learn from: the unit that is split, and that attention stays within. */
export interface Document {
  /** The same on every machine: a file name, or a path below the folder given, then `:line` or `#row`. */
  readonly name: string;
  readonly text: string;
}

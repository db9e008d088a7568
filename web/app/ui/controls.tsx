/** The few controls that all pages share. */
import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";

interface SegmentedProps<T extends string> {
  readonly label: string;
  readonly choices: readonly T[];
  readonly value: T;
  readonly onChange: (value: T) => void;
  readonly text?: (choice: T) => string;
  /** Whether the label is there for screen readers alone. */
  readonly isLabelHidden?: boolean;
}

/** One of a few, all of them in sight. Arrow keys move, as in any group of radio buttons. */
export function Segmented<T extends string>(props: SegmentedProps<T>) {
  const { label, choices, value, onChange, text = (choice) => choice, isLabelHidden = false } = props;
  const name = useId();
  return (
    <fieldset class="segmented">
      <legend class={isLabelHidden ? "visually-hidden" : "label"}>{label}</legend>
      <div class="segments">
        {choices.map((choice) => (
          <label key={choice} class={choice === value ? "segment is-chosen" : "segment"}>
            <input
              class="visually-hidden"
              type="radio"
              name={name}
              value={choice}
              checked={choice === value}
              onChange={() => onChange(choice)}
            />
            {text(choice)}
          </label>
        ))}
      </div>
    </fieldset>
  );
}

interface FieldProps {
  readonly label: string;
  readonly hint?: string;
  readonly children: (id: string) => ComponentChildren;
}

/** A labelled control. */
export function Field({ label, hint, children }: FieldProps) {
  const id = useId();
  return (
    <div class="field">
      <label class="label" for={id}>
        {label}
      </label>
      {children(id)}
      {hint !== undefined && <p class="hint">{hint}</p>}
    </div>
  );
}

interface SelectFieldProps {
  readonly label: string;
  readonly value: string;
  readonly options: readonly { readonly value: string; readonly text: string }[];
  readonly onChange: (value: string) => void;
  readonly hint?: string;
}

export function SelectField({ label, value, options, onChange, hint }: SelectFieldProps) {
  return (
    <Field label={label} {...(hint !== undefined && { hint })}>
      {(id) => (
        <select id={id} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
          {options.map((option) => (
            <option key={option.value} value={option.value} selected={option.value === value}>
              {option.text}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

interface NumberFieldProps {
  readonly label: string;
  readonly value: string;
  readonly min: number;
  readonly max?: number;
  readonly step?: number | "any";
  readonly onChange: (value: string) => void;
  readonly hint?: string;
}

/** A number counts once the field is left or Enter was pressed, and if it may be. */
export function NumberField({ label, value, min, max, step = 1, onChange, hint }: NumberFieldProps) {
  // What is being typed would give way to the value whenever the page is drawn anew.
  const [draft, setDraft] = useState<string | null>(null);
  const commit = ({ currentTarget: input }: { readonly currentTarget: HTMLInputElement }) => {
    if (!input.checkValidity()) return;
    onChange(input.value);
    setDraft(null);
  };
  return (
    <Field label={label} {...(hint !== undefined && { hint })}>
      {(id) => (
        <input
          id={id}
          type="number"
          inputMode="decimal"
          {...{ min, step }}
          value={draft ?? value}
          {...(max !== undefined && { max })}
          onInput={(event) => setDraft(event.currentTarget.value)}
          onChange={commit}
          onBlur={commit}
        />
      )}
    </Field>
  );
}

/** On a click at a file input: the same file, changed meanwhile, is a choice again. */
export function forgetFiles({ currentTarget: input }: { readonly currentTarget: HTMLInputElement }): void {
  input.value = "";
}

/** Something to know; `problem` is spoken at once. */
export function Notice({ kind = "note", children }: { kind?: "note" | "problem"; children: ComponentChildren }) {
  return (
    <div class={`notice is-${kind}`} role={kind === "problem" ? "alert" : "status"}>
      {children}
    </div>
  );
}

/** A number with what it is. */
export function Figure({ label, value, title }: { label: string; value: ComponentChildren; title?: string }) {
  return (
    <div class="figure" {...(title !== undefined && { title })}>
      <dt>{label}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** Numbers beside each other. */
export const Figures = ({ children }: { children: ComponentChildren }) => <dl class="figures">{children}</dl>;

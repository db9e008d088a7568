import { isRouted } from "../../../../src/model/layerKind.ts";
import { fixed, percent, short } from "../../format.ts";
import { useLook } from "../../theme.ts";
import { Figure, Figures } from "../../ui/controls.tsx";
import { shade } from "../../ui/palette.ts";
import { ScaleLegend } from "../../ui/scaleLegend.tsx";
import { blocksOf, type StreamedText, shareThrough, type Twin, tokensPerSecond } from "./stream.ts";

const FINISHES: Readonly<Record<string, string>> = {
  length: "all tokens used",
  stop: "a stop string came",
  end: "the model ended the document",
};

const TWIN_TEXTS: Readonly<Record<Twin, string>> = {
  through:
    "The same weights with nothing passed around: the cost of the dense model of this shape. It was not trained to compute so much; read its speed, not its text.",
  random: "The dense model of this shape, with random weights: nobody trained it. Read its speed, not its text.",
};

interface StreamedTextViewProps {
  readonly text: StreamedText;
  /** The text beside it. */
  readonly other: StreamedText | undefined;
}

/** One text with its speed. */
export function StreamedTextView({ text, other }: StreamedTextViewProps) {
  const look = useLook();
  const { title, prompt, layers, tokens, state, twin } = text;
  const fewest = layers.filter((kind) => !isRouted(kind)).length;
  const span = layers.length - fewest;
  const finish = tokens.at(-1)?.finish;
  const meanLoss =
    tokens.length === 0 ? null : -tokens.reduce((sum, { logProbability }) => sum + logProbability, 0) / tokens.length;
  return (
    <section class="panel stream" aria-label={title}>
      <div class="panel-head">
        <h2>{title}</h2>
        <span class="quiet">
          {state === "waiting"
            ? "getting ready"
            : state === "coming"
              ? "coming…"
              : (FINISHES[finish ?? ""] ?? "stopped")}
        </span>
      </div>
      <Figures>
        <Figure
          label="tokens a second"
          title="after the first token, whose time holds the prompt's"
          value={<SpeedText text={text} other={other} />}
        />
        <Figure label="tokens" value={tokens.length} />
        <Figure label="first token" value={tokens[0] === undefined ? "–" : `${fixed(tokens[0].atMs, 0)} ms`} />
        {span > 0 && <Figure label="through routed blocks" value={percent(shareThrough(text))} />}
        <Figure label="−ln p a token" value={fixed(meanLoss, 2)} />
      </Figures>
      {twin !== null && <p class="hint">{TWIN_TEXTS[twin]}</p>}
      <p class="colored-text" aria-live="off">
        <span class="prompt">{prompt}</span>
        {tokens.map((token, i) => {
          const blocks = blocksOf(text, token);
          const { background, ink } = shade(span === 0 ? 0.5 : 0.12 + (0.8 * (blocks - fewest)) / span, look);
          return (
            <span
              key={i}
              class="token"
              style={{ background, color: ink }}
              title={`${blocks} of ${layers.length} blocks, −ln p ${(-token.logProbability).toFixed(2)}`}
            >
              {token.text}
            </span>
          );
        })}
      </p>
      {span > 0 && (
        <ScaleLegend
          least={`${fewest}`}
          most={`${layers.length} blocks`}
          name="computed the position that the token was foretold from"
        />
      )}
    </section>
  );
}

function SpeedText({ text, other }: { text: StreamedText; other: StreamedText | undefined }) {
  const [own, others] = [tokensPerSecond(text.tokens), other === undefined ? null : tokensPerSecond(other.tokens)];
  const isCompared =
    text.twin === null && own !== null && others !== null && other?.state === "done" && text.state === "done";
  return (
    <>
      {short(own)}
      {isCompared && (
        <span class={own > others ? "ratio is-faster" : "ratio"}> {(own / others).toFixed(2)}× the dense one's</span>
      )}
    </>
  );
}

import { useState } from "preact/hooks";
import type { Inspection } from "../../engine.ts";
import { MapLegend } from "../../ui/routingLegend.tsx";
import { RoutingMap, type Spot } from "../../ui/routingMap.tsx";
import { isLocal, linkTo } from "../../url.ts";
import { SpotCard } from "../microscope/spotCard.tsx";
import example from "./example.json";
import { AroundPicture, RouterPicture, ThroughPicture } from "./pictures.tsx";

const INSPECTION: Inspection = example;

/** What this is about, in a minute. */
export function HomePage() {
  const [spot, setSpot] = useState<Spot | null>(null);
  return (
    <>
      <div class="hero">
        <h1>Not every token needs every layer</h1>
        <p class="lead">
          A Mixture-of-Depths transformer decides for each token, block by block, whether to compute it or to let it
          pass. Compute goes where it helps.
        </p>
      </div>
      <section class="panel" aria-labelledby="example-title">
        <h2 id="example-title">One sentence, six blocks</h2>
        <RoutingMap inspection={INSPECTION} value="choice" spot={spot} onSpot={setSpot} />
        <MapLegend value="choice" layers={INSPECTION.layers} />
        <SpotCard inspection={INSPECTION} spot={spot} />
        <p class="hint">
          A real one: six blocks of width 192, trained for some minutes on two centuries of State of the Union
          addresses. Every other block may compute one token in eight; which, it has learned.
        </p>
      </section>
      <ol class="steps">
        <li>
          <RouterPicture />
          <h2>A router weighs</h2>
          <p>
            Before a routed block, one number for each token: <i>r = w · x</i>. That is all a router is.
          </p>
        </li>
        <li>
          <ThroughPicture />
          <h2>The heaviest go through</h2>
          <p>
            The block's attention and MLP run on the <i>C</i> tokens of largest weight, and on no others:{" "}
            <span class="formula">x′ = x + g(r) · f(X̃)</span>
          </p>
        </li>
        <li>
          <AroundPicture />
          <h2>The others go around</h2>
          <p>
            For them <span class="formula">x′ = x</span>, bit for bit. With one token in eight, the block's FLOPs fall
            to about an eighth, and the time falls with them.
          </p>
        </li>
      </ol>
      <section class="home-text">
        <h2>And when it writes?</h2>
        <p>
          Choosing the heaviest tokens of a text looks at tokens that are not written yet. So a small predictor learns
          to foretell the choice from each token alone, at a cost in loss that can hardly be measured.
        </p>
        <h2>Is it better?</h2>
        <p>
          Faster than the dense model of its shape, surely. Better at the same compute for training: a little, and from
          some size on, say <a href={linkTo("studies")}>the studies</a> here. The method is Raposo et al., arXiv
          2404.02258.
        </p>
      </section>
      <nav class="ways" aria-label="Where to go on">
        {isLocal() && <Way href={linkTo("runs")} title="Runs" text="Watch, compare, start and stop them." />}
        <Way href={linkTo("microscope")} title="Microscope" text="Your text, token by token." />
        <Way href={linkTo("playground")} title="Playground" text="Let a model write, and see what it skips." />
        <Way href={linkTo("train")} title="Train" text="A small model, in this tab." />
        <Way href={linkTo("studies")} title="Studies" text="Equal compute, compared." />
      </nav>
    </>
  );
}

const Way = ({ href, title, text }: { href: string; title: string; text: string }) => (
  <a class="way" href={href}>
    <strong>{title}</strong>
    <span>{text}</span>
  </a>
);

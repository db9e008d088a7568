/** The three steps of a routed block, drawn. */

const WEIGHTS = [0.3, 0.9, 0.15, 0.45, 0.2, 0.75, 0.1, 0.35];
const CHOSEN = [1, 5];
const STEP = 26;
const xOf = (i: number) => 16 + i * STEP;

const Frame = ({ children }: { children: preact.ComponentChildren }) => (
  <svg class="picture" viewBox="0 0 230 96" aria-hidden="true">
    {children}
  </svg>
);

const Tokens = ({ isOn, y }: { isOn: (i: number) => boolean; y: number }) => (
  <>
    {WEIGHTS.map((weight, i) => (
      <rect key={weight} class={isOn(i) ? "tok is-on" : "tok"} x={xOf(i)} y={y} width="18" height="12" rx="2.5" />
    ))}
  </>
);

export const RouterPicture = () => (
  <Frame>
    {WEIGHTS.map((weight, i) => (
      <rect
        key={weight}
        class={CHOSEN.includes(i) ? "weight is-on" : "weight"}
        x={xOf(i) + 5}
        y={70 - 58 * weight}
        width="8"
        height={58 * weight}
        rx="1.5"
      />
    ))}
    <Tokens y={78} isOn={(i) => CHOSEN.includes(i)} />
  </Frame>
);

export const ThroughPicture = () => (
  <Frame>
    <rect class="block" x="12" y="30" width="206" height="28" rx="5" />
    <text class="block-name" x="115" y="48" text-anchor="middle">
      block
    </text>
    {CHOSEN.map((i) => (
      <path key={i} class="way-line is-on" d={`M${xOf(i) + 9} 76V60M${xOf(i) + 9} 28V22`} />
    ))}
    <Tokens y={78} isOn={(i) => CHOSEN.includes(i)} />
    {CHOSEN.map((i) => (
      <rect key={i} class="tok is-on" x={xOf(i)} y="8" width="18" height="12" rx="2.5" />
    ))}
  </Frame>
);

export const AroundPicture = () => (
  <Frame>
    <rect class="block is-pale" x="12" y="30" width="206" height="28" rx="5" />
    {WEIGHTS.map((weight, i) =>
      CHOSEN.includes(i) ? null : <path key={weight} class="way-line" d={`M${xOf(i) + 9} 76V22`} />,
    )}
    <Tokens y={78} isOn={() => false} />
    {WEIGHTS.map((weight, i) =>
      CHOSEN.includes(i) ? null : <rect key={weight} class="tok" x={xOf(i)} y="8" width="18" height="12" rx="2.5" />,
    )}
  </Frame>
);

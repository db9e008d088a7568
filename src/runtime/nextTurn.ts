/** What Node has, and browsers have not. */
declare const setImmediate: ((done: () => void) => unknown) | undefined;

/**
 * Resolves when what waits has had its turn: timers, signals, messages. Graphs hold the thread that they run on, so loops over
 * them let others in between.
 */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === "function") setImmediate(resolve);
    else viaMessage(resolve);
  });
}

/** A message to oneself comes after those that wait; a timer would wait some milliseconds more. */
function viaMessage(done: () => void): void {
  const { port1, port2 } = new MessageChannel();
  const taken = () => {
    port1.close();
    done();
  };
  // Node's types of ports lack what browsers have.
  Object.assign(port1, { onmessage: taken });
  port2.postMessage(null);
}

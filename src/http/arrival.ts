import type { IncomingMessage } from 'node:http';

const arrivals = new WeakMap<IncomingMessage, number>();

/** Remembers when a request has arrived. Afterwards it may wait for its turn. */
export function noteArrival(request: IncomingMessage): void {
  arrivals.set(request, performance.now());
}

/** How long ago it arrived; 0 when that is unknown. */
export function millisecondsSinceArrival(request: IncomingMessage): number {
  const at = arrivals.get(request);
  return at === undefined ? 0 : performance.now() - at;
}
